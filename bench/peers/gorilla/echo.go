// gorilla/websocket: `gorilla PORT`. /fan-out publishes to everyone as its chat example does, /deflate compresses (it knows no context
// takeover), every other path echoes.
package main

import (
	"log"
	"net/http"
	"os"
	"sync"

	"github.com/gorilla/websocket"
)

func anyone(*http.Request) bool { return true }

var plain = websocket.Upgrader{ReadBufferSize: 4096, WriteBufferSize: 4096, CheckOrigin: anyone}
var deflate = websocket.Upgrader{ReadBufferSize: 4096, WriteBufferSize: 4096, CheckOrigin: anyone, EnableCompression: true}

func echo(upgrader *websocket.Upgrader) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		socket, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer socket.Close()
		for {
			kind, message, err := socket.ReadMessage()
			if err != nil {
				return
			}
			if err = socket.WriteMessage(kind, message); err != nil {
				return
			}
		}
	}
}

var (
	guard    sync.Mutex
	everyone = map[chan *websocket.PreparedMessage]bool{}
)

func fanOut(w http.ResponseWriter, r *http.Request) {
	socket, err := plain.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer socket.Close()
	queue := make(chan *websocket.PreparedMessage, 256)
	guard.Lock()
	everyone[queue] = true
	guard.Unlock()
	go func() {
		for message := range queue {
			if socket.WritePreparedMessage(message) != nil {
				return
			}
		}
	}()
	defer func() {
		guard.Lock()
		delete(everyone, queue)
		close(queue)
		guard.Unlock()
	}()
	for {
		kind, bytes, err := socket.ReadMessage()
		if err != nil {
			return
		}
		message, err := websocket.NewPreparedMessage(kind, bytes)
		if err != nil {
			return
		}
		guard.Lock()
		for queue := range everyone {
			select {
			case queue <- message:
			default: // whoever is slow misses it, or would hold up all the others
			}
		}
		guard.Unlock()
	}
}

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: gorilla PORT")
	}
	http.HandleFunc("/fan-out", fanOut)
	http.HandleFunc("/deflate", echo(&deflate))
	http.HandleFunc("/", echo(&plain))
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Args[1], nil))
}
