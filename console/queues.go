package console

import (
	"net/http"
	"net/url"

	"goalcast"
)

func (c *Console) pushes(v *view) error {
	v.Template, v.Title, v.Page, v.Refresh = "pushes.html", "Pushes", "pushes", 5
	var got pushesAnswer
	v.Body = &got
	return v.get("/admin/pushes?limit=50"+after(v.r), &got)
}

// after hands on where a page of a list begins.
func after(r *http.Request) string {
	place := r.URL.Query().Get("after")
	if place == "" {
		return ""
	}
	return "&after=" + url.QueryEscape(place)
}

func (c *Console) push(v *view) error {
	event := v.r.PathValue("event")
	v.Template, v.Title, v.Page, v.Refresh = "push.html", "Push of "+event, "pushes", 5
	var got pushFigures
	v.Body = &got
	return v.get("/admin/pushes/"+url.PathEscape(event), &got)
}

func (c *Console) queues(v *view) error {
	v.Template, v.Title, v.Page, v.Refresh = "queues.html", "Queues and jobs", "queues", 10
	var got queuesAnswer
	v.Body = &got
	return v.get("/admin/queues", &got)
}

func (c *Console) deadTasks(v *view) error {
	queue := v.r.PathValue("queue")
	v.Template, v.Title, v.Page = "dead.html", "Given up in "+queue, "queues"
	body := struct {
		Queue string
		Tasks []goalcast.DeadTask
		After string
	}{Queue: queue}
	err := v.get("/admin/queues/"+url.PathEscape(queue)+"/dead?limit=200"+after(v.r), &body)
	v.Body = &body
	return err
}

func (c *Console) reviveTask(v *view) (string, error) {
	queue := url.PathEscape(v.r.PathValue("queue"))
	return Path + "queues/" + queue + "?done=revived", v.call(http.MethodPost,
		"/admin/queues/"+queue+"/dead/"+url.PathEscape(v.r.PostForm.Get("task"))+"/retry", nil, nil)
}
