package daemon

import (
	"errors"
	"fmt"
	"slices"

	"syncd/config"
	"syncd/connectors"
	"syncd/fields"
	"syncd/flows/plan"
)

// specOf is a configured row as package fields has it.
func specOf(f config.Field) fields.Spec {
	s := fields.Spec{
		Name: f.Name, Columns: f.Columns, As: f.As, Params: f.Params, Per: f.Per, Unknown: f.Unknown, Default: f.Default,
		From: f.From, Expr: f.Expr, Const: f.Value, Samples: f.Samples,
	}
	for _, v := range f.Values {
		s.Values = append(s.Values, fields.Value(v))
	}
	return s
}

// CheckField tries whether a configured row can be compiled, and whether its
// conflict policy names a value of it. What the vendors have is not known here.
func CheckField(f config.Field) *config.KeyError {
	row, err := fields.Compile(specOf(f))
	var fault *fields.Error
	switch {
	case errors.As(err, &fault):
		return &config.KeyError{Key: fault.Key, Msg: fault.Msg}
	case err != nil:
		return &config.KeyError{Msg: err.Error()}
	}
	if f.Conflict != nil && f.Conflict.Mode == config.ConflictRestrictive {
		if _, known := row.MatchValue(f.Conflict.Value); !known {
			return &config.KeyError{Key: "conflict", Msg: fmt.Sprintf("%q is no value of a row with `as: %s`: name the value that wins", f.Conflict.Value, f.As)}
		}
	}
	return nil
}

// CheckTwoWay tries a row on the samples of its transform and its own. A row that
// cannot be compiled is told by CheckField.
func CheckTwoWay(f config.Field) error {
	if row, err := fields.Compile(specOf(f)); err == nil {
		return fields.CheckTwoWay(row)
	}
	return nil
}

// compileRow compiles a row, with the types of its source's fields where it is
// computed from them.
func compileRow(c config.Link, f config.Field, infos map[string]connectors.System) (*fields.Row, error) {
	row, err := fields.Compile(specOf(f))
	if err != nil || f.Expr == "" {
		return row, err
	}
	types := map[string]string{}
	for _, m := range c.Members {
		if m.System == f.From {
			for name, field := range infos[m.System].Objects[m.Object].Fields {
				types[name] = string(field.Type)
			}
		}
	}
	if slices.ContainsFunc(f.Columns[f.From], func(column string) bool { _, known := types[column]; return !known }) {
		return row, nil // missingFields tells it
	}
	return row, row.Bind(types)
}

// policyOf is the conflict policy in force for a row, in the row's own values.
func policyOf(f config.Field, row *fields.Row, otherwise config.Conflict) plan.Policy {
	policy := otherwise
	if f.Conflict != nil {
		policy = *f.Conflict
	}
	return plan.Policy{Mode: plan.Mode(policy.Mode), System: policy.System, Value: row.Norm(policy.Value)}
}

// missingOptions names the values that a row writes and a picklist does not have.
func missingOptions(c config.Link, f config.Field, infos map[string]connectors.System) []string {
	var problems []string
	for _, m := range c.Members {
		if len(f.Columns[m.System]) != 1 || !m.Write || f.From == m.System {
			continue
		}
		field := infos[m.System].Objects[m.Object].Fields[f.Columns[m.System][0]]
		if field.Type != connectors.TypeEnum || len(field.Options) == 0 {
			continue
		}
		for _, v := range f.Values {
			if texts := v.In[m.System]; len(texts) > 0 && texts[0] != "" && !slices.Contains(field.Options, texts[0]) {
				problems = append(problems, fmt.Sprintf("link %s: %s %s: field %s has no option %q, which the values of row %s write: correct the value, or make the option in %s",
					c.Name, m.System, m.Object, f.Columns[m.System][0], texts[0], f.Name, m.System))
			}
		}
	}
	return problems
}
