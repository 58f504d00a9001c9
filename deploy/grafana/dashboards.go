// Package grafana makes the dashboards in this folder. Prometheus' names are looked up in what a
// process really has (cmd/goalcast), and promtool reads every expression.
//
// `go test ./deploy/grafana -update` writes the JSON files anew.
package grafana

import "encoding/json"

// dashboard is one file. Rows are shown one below the other, the panels of a row side by side.
type dashboard struct {
	file, title, description string
	rows                     []row
}

type row struct {
	title  string
	panels []panel
}

// panel is a graph, or one big number.
type panel struct {
	title, description string
	unit               string // Grafana's: s, bytes, short, ops, percentunit
	number             bool
	queries            []query
}

// query is an expression of Prometheus. $__rate_interval is Grafana's; $instance is chosen above
// the dashboard.
type query struct{ expr, legend string }

// Width of Grafana's grid, and the height of rows in it.
const (
	gridWidth    = 24
	graphHeight  = 8
	numberHeight = 4
)

type object = map[string]any

// encode writes the dashboard as Grafana imports it.
func (d dashboard) encode() ([]byte, error) {
	var panels []object
	y, id := 0, 0
	for _, r := range d.rows {
		id++
		panels = append(panels, object{"id": id, "type": "row", "title": r.title, "collapsed": false,
			"panels": []object{}, "gridPos": object{"h": 1, "w": gridWidth, "x": 0, "y": y}})
		y++
		width, height := gridWidth/len(r.panels), graphHeight
		if r.panels[0].number {
			height = numberHeight
		}
		for i, p := range r.panels {
			id++
			panels = append(panels, p.encode(id, object{"h": height, "w": width, "x": i * width, "y": y}))
		}
		y += height
	}
	text, err := json.MarshalIndent(object{
		"uid": "goalcast-" + d.file, "title": d.title, "description": d.description, "tags": []string{"goalcast"},
		"schemaVersion": 39, "version": 1, "editable": true, "refresh": "10s", "timezone": "browser",
		"time":   object{"from": "now-3h", "to": "now"},
		"panels": panels,
		"templating": object{"list": []object{
			{"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus"},
			{"name": "instance", "type": "query", "label": "Process", "datasource": source, "refresh": 2, "multi": true,
				"includeAll": true, "allValue": ".*", "current": object{"text": "All", "value": "$__all"},
				"query": object{"query": "label_values(goalcast_build_info, instance)", "refId": "instance"}},
		}},
		"links": []object{{"type": "dashboards", "tags": []string{"goalcast"}, "title": "goalcast", "asDropdown": true,
			"includeVars": true, "keepTime": true}},
	}, "", "  ")
	return append(text, '\n'), err
}

var source = object{"type": "prometheus", "uid": "${datasource}"}

func (p panel) encode(id int, place object) object {
	kind, options := "timeseries", object{
		"legend":  object{"displayMode": "list", "placement": "bottom", "showLegend": true},
		"tooltip": object{"mode": "multi", "sort": "desc"}}
	if p.number {
		kind, options = "stat", object{"reduceOptions": object{"calcs": []string{"lastNotNull"}}, "colorMode": "value",
			"graphMode": "area"}
	}
	var targets []object
	for i, q := range p.queries {
		targets = append(targets, object{"refId": string(rune('A' + i)), "expr": q.expr, "legendFormat": q.legend,
			"datasource": source, "range": true})
	}
	return object{"id": id, "type": kind, "title": p.title, "description": p.description, "gridPos": place,
		"datasource": source, "targets": targets, "options": options,
		"fieldConfig": object{"defaults": object{"unit": p.unit, "min": 0}, "overrides": []object{}}}
}
