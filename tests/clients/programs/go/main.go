// Go's net/http as a client; lines of standard input and output as in client.mjs. The argument names what reads the
// body: io.ReadAll or io.Copy.
package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
)

type job struct {
	URL   string  `json:"url"`
	Warm  *string `json:"warm"`
	Close bool    `json:"close"`
}

func get(client *http.Client, url string, closing bool) (int, []byte, error) {
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return 0, nil, err
	}
	request.Close = closing
	answer, err := client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer answer.Body.Close()
	if os.Args[1] == "Copy" {
		var target bytes.Buffer
		_, err = io.Copy(&target, answer.Body)
		return answer.StatusCode, target.Bytes(), err
	}
	body, err := io.ReadAll(answer.Body)
	return answer.StatusCode, body, err
}

func answer(client *http.Client, line []byte) (map[string]any, error) {
	var task job
	if err := json.Unmarshal(line, &task); err != nil {
		return nil, err
	}
	if task.Warm != nil {
		if _, _, err := get(client, *task.Warm, false); err != nil {
			return nil, err
		}
	}
	status, body, err := get(client, task.URL, task.Close)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(body)
	return map[string]any{"status": status, "bytes": len(body), "sha256": hex.EncodeToString(sum[:])}, nil
}

func main() {
	client := &http.Client{}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		found, err := answer(client, lines.Bytes())
		if err != nil {
			found = map[string]any{"error": err.Error()}
		}
		text, err := json.Marshal(found)
		if err != nil {
			panic(err)
		}
		fmt.Println(string(text))
	}
}
