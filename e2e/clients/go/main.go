// Go's HTTP client and gRPC-Go, each as its documentation opens it: nothing is said about a proxy but by the environment.
//
//	clients CLIENT (OP URL COUNT)...
//
// Prints a line of JSON for each request. What the operations are is written in ../README.md.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	deadline = 30 * time.Second
	pause    = 50 * time.Millisecond
	most     = 5000
	enough   = "/tmp/enough"
)

type client interface {
	get(url string) (int, string, error)
	post(url string, body string) (int, string, error)
	// stream asks for release once the first bytes are there.
	stream(url string, release string) (int, string, error)
}

type line struct {
	Op     string `json:"op"`
	Status int    `json:"status,omitempty"`
	Text   string `json:"text"`
	Error  string `json:"error,omitempty"`
}

func open(name string) client {
	switch name {
	case "go":
		return newHTTP()
	case "grpc-go":
		return newGRPC()
	}
	panic("no client " + name)
}

// more tells whether another request is due after so many.
func more(op string, done, count int) bool {
	switch op {
	case "get":
		return done < count
	case "paced":
		_, err := os.Stat(enough)
		return done < count || (done < most && err != nil)
	}
	return done < 1
}

func main() {
	who := open(os.Args[1])
	plan := os.Args[2:]
	out := json.NewEncoder(os.Stdout)
	for ; len(plan) >= 3; plan = plan[3:] {
		op, url := plan[0], plan[1]
		count, err := strconv.Atoi(plan[2])
		if err != nil {
			panic(err)
		}
		for done := 0; more(op, done, count); done++ {
			said := line{Op: op}
			switch op {
			case "post":
				said.Status, said.Text, err = who.post(url, strings.Repeat("x", count))
			case "stream":
				said.Status, said.Text, err = who.stream(url, strings.Replace(url, "/stream/", "/release/", 1))
			default:
				said.Status, said.Text, err = who.get(url)
			}
			if err != nil {
				said.Error = fmt.Sprint(err)
			}
			if err := out.Encode(said); err != nil {
				panic(err)
			}
			if op == "paced" {
				time.Sleep(pause)
			}
		}
	}
}
