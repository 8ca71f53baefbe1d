// Publish to Herald from Go 1.19 or newer, with the standard library alone.
// HERALD_URL=http://localhost:1055 HERALD_KEY=… go run publish.go
package main

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math"
	mathrand "math/rand"
	"net/http"
	"os"
	"strconv"
	"time"
)

const (
	tries       = 6 // with the waits between them less than the 5 minutes that Herald knows a key of a call
	longestWait = 30 * time.Second
)

// Any other refusal would be the same once more.
var again = map[int]bool{408: true, 409: true, 429: true, 500: true, 502: true, 503: true, 504: true}

var client = http.Client{Timeout: 10 * time.Second}

// refused is what Herald says is wrong with a call.
type refused struct {
	status int
	text   string
}

func (r refused) Error() string { return r.text }

// call POSTs the body and returns the answer; what is sent several times is published once.
func call(path string, body any) ([]byte, error) {
	data, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	id := make([]byte, 16)
	if _, err := rand.Read(id); err != nil {
		return nil, err
	}
	for attempt := 1; ; attempt++ {
		answer, retryAfter, err := post(path, data, hex.EncodeToString(id))
		refusal, isRefusal := err.(refused)
		if err == nil || attempt == tries || (isRefusal && !again[refusal.status]) {
			return answer, err
		}
		backoff := 0.25 * math.Pow(2, float64(attempt)) * (0.5 + mathrand.Float64()/2)
		wait := time.Duration(math.Max(backoff, retryAfter) * float64(time.Second))
		if wait > longestWait {
			wait = longestWait
		}
		time.Sleep(wait)
	}
}

// post sends it once. Any error that is not refused: not reached, no answer, half an answer.
func post(path string, data []byte, key string) (answer []byte, retryAfter float64, err error) {
	request, err := http.NewRequest("POST", os.Getenv("HERALD_URL")+path, bytes.NewReader(data))
	if err != nil {
		return nil, 0, err
	}
	request.Header.Set("Authorization", "Bearer "+os.Getenv("HERALD_KEY"))
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", key)
	response, err := client.Do(request)
	if err != nil {
		return nil, 0, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode >= 300 {
		retryAfter, _ = strconv.ParseFloat(response.Header.Get("Retry-After"), 64)
		err = refused{response.StatusCode, string(text)}
	}
	return text, retryAfter, err
}

func publish() error {
	type object = map[string]any
	order := object{"event": "order.created", "room": "orders", "data": object{"orderId": "cfa3f520"}}
	answer, err := call("/events", order)
	if err != nil {
		return err
	}
	fmt.Println(string(answer))
	paid := object{"event": "order.paid", "room": "orders", "data": object{"paymentId": "9b93e1a0"}}
	answer, err = call("/events/batch", object{"events": []object{order, paid}})
	if err != nil {
		return err
	}
	fmt.Println(string(answer)) // an answer for each event, in order: an id, or an error
	return nil
}

func main() {
	if err := publish(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
