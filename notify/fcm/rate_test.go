package fcm

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"goalcast/notify"
)

// benchServer has the test binary be the Firebase of BenchmarkSend.
const benchServer = "GOALCAST_TEST_FIREBASE"

// serveBench speaks HTTP/2 with 100 streams a connection, as Google does, and takes everything
// without looking at it. It prints its address and its certificate, and ends with its standard
// input.
func serveBench() {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"name":"projects/demo/messages/1"}`)
	}))
	s.EnableHTTP2 = true
	s.Config.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: 100}
	s.StartTLS()
	fmt.Println(s.URL)
	_ = pem.Encode(os.Stdout, &pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	os.Stdout.Close()
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// BenchmarkSend sends batches of 500, 8 at the same time as a notifier does, to a Firebase in
// another process. What counts is this process's processor time alone: messages/s that one core
// makes. "floor" posts as many bytes by net/http and nothing else.
func BenchmarkSend(b *testing.B) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), benchServer+"=1")
	stop, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		stop.Close()
		_ = cmd.Wait()
	})
	lines := bufio.NewReader(out)
	var url string
	if _, err := fmt.Fscanln(lines, &url); err != nil {
		b.Fatal(err)
	}
	certificate, err := io.ReadAll(lines)
	if err != nil {
		b.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(certificate)
	sender, err := New(b.Context(), Config{ProjectID: "demo", Endpoint: url + "/v1"}, slog.New(slog.DiscardHandler),
		prometheus.NewRegistry())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(sender.Close)
	sender.base.TLSClientConfig = &tls.Config{RootCAs: roots}
	messages := make([]notify.Message, MaxMessages)
	for i := range messages {
		messages[i] = message(fmt.Sprintf("token-%d", i), "android")
		messages[i].Expires = time.Now().Add(time.Hour)
	}
	b.Run("sdk", func(b *testing.B) {
		perCore(b, func() {
			for _, r := range sender.Send(b.Context(), messages) {
				if r.Outcome != notify.Delivered {
					b.Error(r.Outcome, r.Reason, r.Err)
					return
				}
			}
		})
	})
	text := make([]byte, 900)
	b.Run("floor", func(b *testing.B) {
		client := &http.Client{Transport: sender.base}
		perCore(b, func() {
			var all sync.WaitGroup
			for range workers {
				all.Go(func() {
					for range MaxMessages / workers {
						if err := postPlain(client, url, text); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			all.Wait()
		})
	})
}

// perCore has 8 senders send a batch b.N times in all.
func perCore(b *testing.B, batch func()) {
	batch() // connections are made, and processors warm
	var before, after syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &before)
	began := time.Now()
	var all sync.WaitGroup
	todo := make(chan struct{})
	for range 8 {
		all.Go(func() {
			for range todo {
				batch()
			}
		})
	}
	for b.Loop() {
		todo <- struct{}{}
	}
	close(todo)
	all.Wait()
	took := time.Since(began)
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &after)
	sent := float64(b.N * MaxMessages)
	spent := after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano()
	b.ReportMetric(float64(spent)/1000/sent, "cpu-us/message")
	b.ReportMetric(sent/(float64(spent)/1e9), "messages/s/core")
	b.ReportMetric(sent/took.Seconds(), "messages/s")
}

func postPlain(client *http.Client, url string, text []byte) error {
	resp, err := client.Post(url+"/v1/projects/demo/messages:send", "application/json", bytes.NewReader(text))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}
