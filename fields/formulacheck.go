package fields

import (
	"fmt"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/conf"
)

// formulaFunctions are the built-in functions that a formula may call. None has
// I/O or a clock, none loops over more than its arguments, and none gives a
// text longer than what it was given.
var formulaFunctions = []string{
	"abs", "ceil", "float", "floor", "hasPrefix", "hasSuffix", "indexOf", "int", "lastIndexOf",
	"len", "lower", "max", "min", "round", "string", "trim", "trimPrefix", "trimSuffix", "upper",
}

// maxRange is the most numbers that a range such as 1..100 may have.
const maxRange = 1000

// envName is expr's word for all fields at once.
const envName = "$env"

func formulaConfig() *conf.Config {
	c := conf.CreateNew()
	c.MaxNodes = maxFormulaNodes
	return c
}

// formulaVisitor collects the names that a formula uses and the first thing in it
// that is not allowed. Children are visited before their parents.
type formulaVisitor struct {
	fields map[string]bool
	envs   int // $env seen, less those seen again as $env["name"]
	sums   int // uses of +
	size   int // instructions of all patterns
	noun   string
	err    error
}

// checkFormula refuses what is not allowed and gives what it saw.
func checkFormula(noun string, root *ast.Node) (*formulaVisitor, error) {
	v := &formulaVisitor{noun: noun, fields: map[string]bool{}}
	ast.Walk(root, v)
	if v.err == nil && v.envs != 0 {
		v.refuse(`%s is allowed as %s["field name"] only`, envName, envName)
	}
	if v.err != nil {
		return nil, v.err
	}
	return v, nil
}

func (v *formulaVisitor) refuse(format string, args ...any) {
	if v.err == nil {
		v.err = fmt.Errorf("the "+v.noun+" is not allowed: "+format, args...)
	}
}

// Visit implements ast.Visitor: what is not named here is refused.
func (v *formulaVisitor) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.StringNode, *ast.ConstantNode,
		*ast.UnaryNode, *ast.ConditionalNode, *ast.ArrayNode, *ast.SliceNode:
	case *ast.IdentifierNode:
		if n.Value == envName {
			v.envs++
			return
		}
		v.fields[n.Value] = true
	case *ast.MemberNode:
		v.member(n)
	case *ast.BinaryNode:
		v.binary(n)
	case *ast.BuiltinNode:
		if !slices.Contains(formulaFunctions, n.Name) {
			v.refuse("%s() is not available; functions are %s", n.Name, strings.Join(formulaFunctions, ", "))
		}
	case *ast.CallNode:
		name := "that"
		if callee, ok := n.Callee.(*ast.IdentifierNode); ok {
			name = callee.Value
		}
		v.refuse("%s() is not available; functions are %s", name, strings.Join(formulaFunctions, ", "))
	case *ast.NilNode:
		v.refuse(`nil is not used: an empty field is ""`)
	default:
		v.refuse("only comparisons of fields can be used, no variables, loops or maps")
	}
}

func (v *formulaVisitor) member(n *ast.MemberNode) {
	base, isName := n.Node.(*ast.IdentifierNode)
	name, isText := n.Property.(*ast.StringNode)
	if !isName || !isText {
		if _, isIndex := n.Property.(*ast.IntegerNode); !isIndex {
			v.refuse("only fields and literals can be looked into")
		}
		return
	}
	if base.Value != envName || n.Optional {
		v.refuse(`field %q has no parts; a field whose name has a dot is written %s["%s.%s"]`, base.Value, envName, base.Value, name.Value)
		return
	}
	v.envs--
	v.fields[name.Value] = true
}

func (v *formulaVisitor) binary(n *ast.BinaryNode) {
	switch n.Operator {
	case "matches":
		v.pattern(n.Right)
	case "+":
		if v.sums++; v.sums > maxFormulaSums {
			v.refuse("more than %d sums", maxFormulaSums)
		}
	case "..":
		from, ok1 := n.Left.(*ast.IntegerNode)
		to, ok2 := n.Right.(*ast.IntegerNode)
		if !ok1 || !ok2 || to.Value-from.Value >= maxRange || to.Value < from.Value {
			v.refuse("a range goes from one whole number to another and has at most %d of them", maxRange)
		}
	}
}

// pattern takes a literal that is a regular expression of RE2's kind and is not
// too large.
func (v *formulaVisitor) pattern(n ast.Node) {
	literal, ok := n.(*ast.StringNode)
	if !ok {
		v.refuse("the pattern of matches must be a text in quotes")
		return
	}
	re, err := syntax.Parse(literal.Value, syntax.Perl)
	if err != nil {
		v.refuse("the pattern %q is not understood: %v", literal.Value, err)
		return
	}
	prog, err := syntax.Compile(re.Simplify())
	if err != nil {
		v.refuse("the pattern %q is not understood: %v", literal.Value, err)
		return
	}
	if v.size += len(prog.Inst); v.size > maxPatternSize {
		v.refuse("its patterns are too large")
	}
}
