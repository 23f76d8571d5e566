package hubspot

import (
	"context"
	"net/http"
	"slices"

	"syncd/connectors"
)

// archiveBody is the body of a batch archive (section 3).
type archiveBody struct {
	Inputs []readInput `json:"inputs"`
}

// archive puts records into the bin. The answer is 204 also for ids that do not
// exist, and says nothing about any of them (CORRECTNESS W10).
func (c *Client) archive(ctx context.Context, object string, writes []connectors.Write) []connectors.Result {
	k := call{op: "batch archive", object: object, method: http.MethodPost, path: c.objectsPath(object, "batch", "archive")}
	results := make([]connectors.Result, len(writes))
	var fit []int
	ids := map[string]bool{}
	for i, w := range writes {
		results[i] = connectors.Result{Key: w.Key, RecordID: w.RecordID}
		why := ""
		switch {
		case w.Key == "":
			why = "the write has no key"
		case !idPattern.MatchString(w.RecordID):
			why = "the record id is no HubSpot id"
		case ids[w.RecordID]:
			why = "the batch holds the record twice"
		}
		if why != "" {
			e := c.fault(k, connectors.KindBug, why)
			e.WholeCall = false
			results[i].Outcome, results[i].Err = connectors.NotApplied, e
			continue
		}
		ids[w.RecordID] = true
		fit = append(fit, i)
	}
	for chunk := range slices.Chunk(fit, batchSize) {
		part := make([]connectors.Write, 0, len(chunk))
		for _, i := range chunk {
			part = append(part, writes[i])
		}
		for n, r := range c.archiveChunk(ctx, k, part) {
			results[chunk[n]] = r
		}
	}
	return results
}

func (c *Client) archiveChunk(ctx context.Context, k call, writes []connectors.Write) []connectors.Result {
	b := &batch{client: c, call: k, op: connectors.Archive, writes: writes}
	var body archiveBody
	for _, w := range writes {
		body.Inputs = append(body.Inputs, readInput{ID: w.RecordID})
	}
	k.body = body
	if _, failed := b.send(ctx, k); failed != nil {
		return failed
	}
	out := b.all(connectors.Applied, nil)
	for i, w := range writes {
		out[i].RecordID = w.RecordID
	}
	return out
}
