package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.yaml.in/yaml/v3"

	"goalcast/notify/fcm"
)

// maxProjects is how many Firebase projects there may be: each has workers, connections and a queue
// of its own.
const maxProjects = 16

// project is a Firebase project that pushes go out from, and the app whose devices it is for: an
// entry of GOALCAST_FCM_PROJECTS_FILE, or the one that the settings name.
type project struct {
	Name            string `yaml:"name"` // goalcast.Device.App; empty: of the settings
	Project         string `yaml:"project"`
	CredentialsFile string `yaml:"credentials_file"`
	Rate            int    `yaml:"rate"` // messages a minute

	credentials []byte
}

var (
	appName   = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,39}$`)
	projectID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.:_-]{0,99}$`)
)

// projects are those that pushes go out from, first that of devices that name no app. None: no
// pushes are sent to apps.
func (f fcmConfig) projects() ([]project, error) {
	if f.ProjectsFile != "" {
		return f.readProjects()
	}
	if f.Project == "" {
		return nil, nil
	}
	return []project{{Project: f.Project, Rate: f.Rate, credentials: []byte(f.Credentials)}}, nil
}

// apps are the names that a device may say; none where there is one app.
func (f fcmConfig) apps() ([]string, error) {
	list, err := f.projects()
	if err != nil || f.ProjectsFile == "" {
		return nil, err
	}
	names := make([]string, len(list))
	for i, p := range list {
		names[i] = p.Name
	}
	return names, nil
}

// readProjects reads the file. Its errors name the line, and show nothing of a key.
func (f fcmConfig) readProjects() ([]project, error) {
	path := f.ProjectsFile
	document, err := readDocument(path)
	if err != nil {
		return nil, err
	}
	if document.Kind != yaml.SequenceNode || len(document.Content) == 0 {
		return nil, fmt.Errorf("%s: want a list of apps, each beginning with \"- name:\"", path)
	}
	if len(document.Content) > maxProjects {
		return nil, fmt.Errorf("%s: want at most %d apps", path, maxProjects)
	}
	var list []project
	for _, node := range document.Content {
		p, err := f.readProject(node)
		if err == nil {
			err = wrongAt(node, p.among(list))
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		list = append(list, p)
	}
	return list, nil
}

// readProject reads one entry and the file of its credentials.
func (f fcmConfig) readProject(node *yaml.Node) (p project, err error) {
	if err := decodeEntry(node, &p, "an app"); err != nil {
		return p, err
	}
	wrong := func(field, format string, args ...any) error {
		return wrongAt(nodeOf(node, field), fmt.Errorf("app %q: "+field+": "+format, append([]any{p.Name}, args...)...))
	}
	switch {
	case !appName.MatchString(p.Name):
		return p, wrongAt(nodeOf(node, "name"), fmt.Errorf("name %q: want at most 40 of a-z, 0-9, - and _", p.Name))
	case !projectID.MatchString(p.Project):
		return p, wrong("project", "%q: want the id of a Firebase project", p.Project)
	case p.Rate < 0:
		return p, wrong("rate", "%d: want messages per minute, more than 0", p.Rate)
	}
	p.Rate = cmp.Or(p.Rate, f.Rate)
	switch {
	case p.CredentialsFile != "":
		if p.credentials, err = os.ReadFile(p.CredentialsFile); err != nil {
			return p, wrong("credentials_file", "%w", err)
		}
		if len(p.credentials) == 0 {
			return p, wrong("credentials_file", "%s is empty", p.CredentialsFile)
		}
	case f.Endpoint == "":
		return p, wrong("credentials_file", "want the file of a service account's key")
	}
	// It reads the key and calls nobody.
	sender, err := p.open(context.Background(), f, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		return p, wrong("credentials_file", "%w", err)
	}
	sender.Close()
	return p, nil
}

// among checks the entry beside those before it. One project is one entry: its account sends to all
// apps in it, and its quota is one.
func (p project) among(before []project) error {
	switch {
	case slices.ContainsFunc(before, func(o project) bool { return o.Name == p.Name }):
		return fmt.Errorf("app %q is there twice", p.Name)
	case slices.ContainsFunc(before, func(o project) bool { return o.Project == p.Project }):
		return fmt.Errorf("app %q: project %s is there twice: all apps of a project are one entry", p.Name, p.Project)
	}
	return nil
}

// service is what the project is called in figures.
func (p project) service() string {
	if p.Name == "" {
		return fcm.Service
	}
	return fcm.Service + ":" + p.Project
}

// open makes what sends to the project.
func (p project) open(ctx context.Context, f fcmConfig, log *slog.Logger, reg prometheus.Registerer) (*fcm.Sender,
	error) {
	return fcm.New(ctx, fcm.Config{Service: p.service(), ProjectID: p.Project, Credentials: p.credentials,
		Endpoint: f.Endpoint, Topics: f.TopicsPrefix}, log, reg)
}

// check says what is wrong with GOALCAST_FCM_CREDENTIALS.
func (f fcmConfig) check() error {
	if f.Project != "" && f.Endpoint == "" && f.Credentials == "" {
		return errors.New("not set, though GOALCAST_FCM_PROJECT is")
	}
	return nil
}

// checkTopics says what is wrong with topics for huge audiences, given how long pushes wait for
// phones to say what they have shown.
func (f fcmConfig) checkTopics(seenWait time.Duration) error {
	switch {
	case f.TopicsFrom == 0:
		return nil
	case f.Project == "" && f.ProjectsFile == "":
		return errors.New("set, though GOALCAST_FCM_PROJECT is not")
	case seenWait > 0:
		return errors.New("set, though GOALCAST_PUSH_SEEN_WAIT is: what goes to a topic goes to phones, too, that " +
			"have shown it live")
	}
	if err := fcm.CheckTopicPrefix(f.TopicsPrefix); err != nil {
		return fmt.Errorf("GOALCAST_FCM_TOPICS_PREFIX: %w", err)
	}
	return nil
}

// checkProjects reads the file, so that a mistake stops the start.
func (f fcmConfig) checkProjects() error {
	switch {
	case f.ProjectsFile == "":
		return nil
	case f.Project != "" || f.Credentials != "":
		return errors.New("set, though GOALCAST_FCM_PROJECT or GOALCAST_FCM_CREDENTIALS is: put that project first " +
			"in the file")
	}
	_, err := f.readProjects()
	return err
}

func (f fcmConfig) checkLive() error {
	switch {
	case f.LiveTopics == "":
		return nil
	case f.Project == "" && f.ProjectsFile == "":
		return errors.New("set, though GOALCAST_FCM_PROJECT is not")
	}
	return fcm.CheckTopicPrefix(f.LiveTopics)
}
