// Go's gorilla/websocket as a peer: see ../README.md. Its compression is on or off, and never keeps its context.
package main

import (
	"bytes"
	"fmt"
	"log"
	"math/rand"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// A message that outgrows this buffer is sent in fragments.
const buffer = 1024

func main() {
	switch mode := os.Args[1]; mode {
	case "serve":
		serve(os.Args[2])
	case "connect":
		connect(os.Args[2], os.Args[3])
	}
}

func serve(compression string) {
	upgrader := websocket.Upgrader{EnableCompression: compression == "on", WriteBufferSize: buffer}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	fmt.Println("listening on", listener.Addr())
	must(http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := upgrader.Upgrade(w, r, nil)
		must(err)
		defer ws.Close()
		echo(ws)
	})))
}

func echo(ws *websocket.Conn) {
	ws.SetPongHandler(func(string) error { return ws.WriteMessage(websocket.TextMessage, []byte("pong came")) })
	for {
		kind, message, err := ws.ReadMessage()
		if closed, ok := err.(*websocket.CloseError); ok {
			fmt.Println("closed", closed.Code, closed.Text)
			return
		}
		must(err)
		switch string(message) {
		case "ping me":
			must(ws.WriteControl(websocket.PingMessage, []byte("are you there?"), soon()))
		case "close me":
			must(ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(4322, "as you wish: どうぞ"), soon()))
		default:
			send(ws, kind, message)
		}
	}
}

func connect(url, compression string) {
	dialer := websocket.Dialer{EnableCompression: compression == "on", WriteBufferSize: buffer}
	ws, response, err := dialer.Dial(url, nil)
	must(err)
	extensions := response.Header.Get("Sec-WebSocket-Extensions")
	if extensions == "" {
		extensions = "none"
	}
	fmt.Println("extensions", extensions)
	comes := func(kind int, message []byte) {
		k, m, err := ws.ReadMessage()
		must(err)
		if k != kind || !bytes.Equal(m, message) {
			log.Fatalf("not what was sent: %d %.40q", k, m)
		}
	}

	noise := make([]byte, 1<<16) // in fragments, however well it is compressed
	rand.Read(noise)
	for _, text := range []string{"hello", "Grüße, κόσμε, 世界, 🦍", "", strings.Repeat("0123456789abcdef", 1<<16)} {
		send(ws, websocket.TextMessage, []byte(text))
		comes(websocket.TextMessage, []byte(text))
	}
	for _, binary := range [][]byte{{0, 1, 2, 255}, {}, noise} {
		send(ws, websocket.BinaryMessage, binary)
		comes(websocket.BinaryMessage, binary)
	}
	go func() {
		for i := range 2000 {
			send(ws, websocket.TextMessage, fmt.Append(nil, "message ", i))
		}
	}()
	for i := range 2000 {
		comes(websocket.TextMessage, fmt.Append(nil, "message ", i))
	}

	ponged := ""
	ws.SetPongHandler(func(data string) error { ponged = data; return nil })
	must(ws.WriteControl(websocket.PingMessage, []byte("are you there?"), soon()))
	must(ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(4321, "done: 完了"), soon()))
	_, _, err = ws.ReadMessage()
	closed, ok := err.(*websocket.CloseError)
	if !ok || ponged != "are you there?" {
		log.Fatalf("pong %q, and then: %v", ponged, err)
	}
	fmt.Println("closed", closed.Code, closed.Text)
}

func send(ws *websocket.Conn, kind int, message []byte) {
	writer, err := ws.NextWriter(kind)
	must(err)
	_, err = writer.Write(message)
	must(err)
	must(writer.Close())
}

func soon() time.Time { return time.Now().Add(10 * time.Second) }

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
