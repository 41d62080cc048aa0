// Judges the files under deploy/ with the parsers of those who will read them, and prints what they understood as JSON.
//
//	ways compose FILE    compose-go, which is docker compose's own loader with its schema
//	ways hcl FILE        HashiCorp's parser, which is Nomad's; not Nomad's list of what a job may say
//
// The environment counts for compose, as it does there. What is wrong goes to stderr, with exit status 1.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

func main() {
	judges := map[string]func(string) (any, error){"compose": compose, "hcl": hcl}
	if len(os.Args) != 3 || judges[os.Args[1]] == nil {
		fail(fmt.Errorf("ways compose|hcl FILE"))
	}
	understood, err := judges[os.Args[1]](os.Args[2])
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(understood)
	}
	if err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func compose(path string) (any, error) {
	options, err := cli.NewProjectOptions([]string{path}, cli.WithOsEnv, cli.WithName("keyfob"))
	if err != nil {
		return nil, err
	}
	return options.LoadProject(context.Background())
}

func hcl(path string) (any, error) {
	file, problems := hclparse.NewParser().ParseHCLFile(path)
	if problems.HasErrors() {
		return nil, problems
	}
	return block(file.Body.(*hclsyntax.Body), file.Bytes), nil
}

// Blocks by type and labels, attributes by name; an expression with variables stands as it is written.
func block(body *hclsyntax.Body, source []byte) map[string]any {
	found := map[string]any{}
	for name, attribute := range body.Attributes {
		value, problems := attribute.Expr.Value(nil)
		if problems.HasErrors() {
			found[name] = string(attribute.Expr.Range().SliceBytes(source))
			continue
		}
		found[name] = ctyjson.SimpleJSONValue{Value: value}
	}
	for _, inner := range body.Blocks {
		at := found
		for _, step := range append([]string{inner.Type}, inner.Labels...) {
			deeper, ok := at[step].(map[string]any)
			if !ok {
				deeper = map[string]any{}
				at[step] = deeper
			}
			at = deeper
		}
		for name, value := range block(inner.Body, source) {
			at[name] = value
		}
	}
	return found
}
