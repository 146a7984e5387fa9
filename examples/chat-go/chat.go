// A chat back end: Silverback holds the connections, this says what happens on them. See ../README.md.
package main

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// verify tells whether this came from our Silverback, and recently.
func verify(secret string, header http.Header, body []byte) bool {
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	seconds, _ := strconv.ParseInt(header.Get("webhook-timestamp"), 10, 64)
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%d.%s", header.Get("webhook-id"), seconds, body)
	expected := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	isGiven := slices.ContainsFunc(strings.Fields(header.Get("webhook-signature")), func(given string) bool { return hmac.Equal([]byte(given), []byte(expected)) })
	return isGiven && time.Since(time.Unix(seconds, 0)).Abs() < 5*time.Minute
}

func api(method, path string, body, answer any) error {
	data, _ := json.Marshal(body)
	request, _ := http.NewRequest(method, cmp.Or(os.Getenv("SILVERBACK_URL"), "http://127.0.0.1:8080")+path, bytes.NewReader(data))
	request.Header = http.Header{"Authorization": {"Bearer " + os.Getenv("SILVERBACK_API_KEY")}, "Content-Type": {"application/json"}}
	response, err := (&http.Client{Timeout: 5 * time.Second}).Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	return json.NewDecoder(response.Body).Decode(answer)
}

func tellEveryone(text string) error {
	return api("POST", "/v1/messages", map[string]any{"to": "everyone", "message": map[string]string{"text": text}}, &struct{}{})
}

func hook(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body) // one that broke off has a wrong signature
	user, _ := url.PathUnescape(r.Header.Get("ce-user"))
	switch event := r.Header.Get("ce-type"); {
	case !verify(os.Getenv("SILVERBACK_HOOKS_SECRET"), r.Header, body):
		http.Error(w, "the signature is wrong", http.StatusUnauthorized)
	case event == "silverback.session.connect" && bytes.Contains(body, []byte(`"user":"admin"`)):
		http.Error(w, "nobody is called admin here", http.StatusForbidden)
	case event == "silverback.session.connected":
		err = tellEveryone("* " + user + " is here")
	case event == "silverback.session.ended":
		err = tellEveryone("* " + user + " has left")
	case event == "silverback.message" && string(body) == "/who":
		there, users := struct{ Sessions []struct{ User string } }{}, []string{}
		err = api("GET", "/v1/sessions?limit=1000", nil, &there)
		for _, session := range there.Sessions {
			users = append(users, session.User)
		}
		slices.Sort(users)
		fmt.Fprint(w, "* here: "+strings.Join(slices.Compact(users), ", "))
	case event == "silverback.message":
		err = tellEveryone(user + ": " + string(body))
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError) // Silverback sends it again
	}
}

func main() {
	panic(http.ListenAndServe("127.0.0.1:"+cmp.Or(os.Getenv("PORT"), "3000"), http.HandlerFunc(hook)))
}
