package main

import (
	"io"
	"net/http"
	"strings"
)

type httpClient struct{ client *http.Client }

func newHTTP() client { return &httpClient{&http.Client{Timeout: deadline}} }

func (c *httpClient) get(url string) (int, string, error) {
	answer, err := c.client.Get(url)
	return read(answer, err)
}

func (c *httpClient) post(url string, body string) (int, string, error) {
	answer, err := c.client.Post(url, "text/plain", strings.NewReader(body))
	return read(answer, err)
}

func (c *httpClient) stream(url string, release string) (int, string, error) {
	answer, err := c.client.Get(url)
	if err != nil {
		return 0, "", err
	}
	first := make([]byte, 4096)
	count, err := answer.Body.Read(first)
	if err != nil {
		return 0, "", err
	}
	if _, _, err := c.get(release); err != nil {
		return 0, "", err
	}
	status, rest, err := read(answer, nil)
	return status, string(first[:count]) + rest, err
}

func read(answer *http.Response, err error) (int, string, error) {
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(body), err
}
