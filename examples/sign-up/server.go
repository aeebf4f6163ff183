// Sign-up with a verified phone number, with the standard library of Go: go run server.go
package main

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/json"
	"log"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

var (
	gateway = cmp.Or(os.Getenv("VERIGATE_URL"), "http://localhost:3000")
	apiKey  = cmp.Or(os.Getenv("VERIGATE_API_KEY"), "vgk_sandbox")
	port    = cmp.Or(os.Getenv("PORT"), "8080")
	client  = &http.Client{Timeout: 10 * time.Second}
	// The verification of each browser session; a real server keeps it in its session store.
	verifications sync.Map
)

type object = map[string]any

func call(method, path string, body any) (int, object) {
	text, _ := json.Marshal(body)
	request, err := http.NewRequest(method, gateway+path, bytes.NewReader(text))
	if err != nil {
		return http.StatusInternalServerError, object{"detail": "The request cannot be made."}
	}
	request.Header.Set("Authorization", "Bearer "+apiKey)
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	answer := object{"detail": "The gateway cannot be reached."}
	if err != nil {
		return http.StatusBadGateway, answer
	}
	defer response.Body.Close()
	json.NewDecoder(response.Body).Decode(&answer)
	return response.StatusCode, answer
}

func signUp(session string, body object) (int, object) {
	status, answer := call("POST", "/verifications", object{
		"phoneNumber": body["phoneNumber"], "returnUrl": "http://localhost:" + port + "/", "onConflict": "replace",
	})
	if status != http.StatusCreated {
		return status, object{"detail": answer["detail"]}
	}
	verifications.Store(session, answer["id"])
	return status, object{"id": answer["id"], "clientSecret": answer["clientSecret"]}
}

// Only the verification that this session started counts, and only what the gateway says of it.
func signedUp(session string, _ object) (int, object) {
	id, _ := verifications.Load(session)
	text, _ := id.(string)
	_, answer := call("GET", "/verifications/"+cmp.Or(text, "none"), nil)
	result, _ := answer["result"].(object)
	if answer["verified"] != true || result == nil {
		return http.StatusForbidden, object{"detail": "The number is not verified."}
	}
	verifications.Delete(session)
	assurance, _ := result["assurance"].(object)
	return http.StatusOK, object{"phoneNumber": result["phoneNumber"], "assurance": assurance["level"]}
}

func sessionOf(w http.ResponseWriter, r *http.Request) string {
	cookie, err := r.Cookie("session")
	if err != nil {
		cookie = &http.Cookie{Name: "session", Value: rand.Text(), HttpOnly: true, SameSite: http.SameSiteLaxMode, Path: "/"}
		http.SetCookie(w, cookie)
	}
	return cookie.Value
}

func handle(path string, route func(string, object) (int, object)) {
	http.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
		body := object{}
		json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&body)
		status, answer := route(sessionOf(w, r), body)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(answer)
	})
}

func main() {
	text, err := os.ReadFile("page.html")
	if err != nil {
		log.Fatal(err)
	}
	page := strings.ReplaceAll(string(text), "VERIGATE_URL", gateway)
	http.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		sessionOf(w, r)
		w.Header().Set("Content-Type", "text/html")
		w.Write([]byte(page))
	})
	handle("/sign-up", signUp)
	handle("/signed-up", signedUp)
	log.Fatal(http.ListenAndServe("localhost:"+port, nil))
}
