package profile

import (
	"fmt"
	"math"
	"slices"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/cost"
)

const (
	// costLimit bounds one evaluation, in CEL's own units: about 20,000 elements of a list visited once.
	costLimit = 200_000
	// assumedSize is how many elements a list of an answer has, or a text characters, in the estimate of an expression's cost.
	// Real answers have fewer: one that is refused for it would be refused on the first large customer.
	assumedSize = 50
)

// assume is the estimator of sizes that are not known before there is an answer.
type assume struct{}

// EstimateCallCost leaves functions to their cost models.
func (assume) EstimateCallCost(string, string, *cost.AstNode, []cost.AstNode) *cost.CallEstimate {
	return nil
}

// EstimateSize knows no more than that sizes are reasonable. What lies inside elements has no size of its own, since the
// whole would be the power of all levels.
func (assume) EstimateSize(node cost.AstNode) *cost.SizeEstimate {
	if slices.ContainsFunc(node.Path(), func(step string) bool { return step == "@items" || step == "@keys" || step == "@values" }) && node.Expr() == nil {
		return nil
	}
	size := cost.RangedSizeEstimate(0, assumedSize)
	return &size
}

// affordable refuses an expression that would exceed the limit on answers of a usual size already. Where CEL cannot tell a
// size, as of what an index finds, the estimate is unbounded and says nothing; the limit at run time holds for all.
func affordable(env *cel.Env, checked *cel.Ast) error {
	estimate, err := env.EstimateCost(checked, assume{})
	if err != nil {
		return fmt.Errorf("estimate the cost: %w", err)
	}
	if estimate.Max > costLimit && estimate.Max != math.MaxUint64 {
		return fmt.Errorf("would cost up to %d steps on lists and texts of %d elements; at most %d are allowed, so use fewer loops inside each other", estimate.Max, assumedSize, costLimit)
	}
	return nil
}

// costModels tell what our functions cost: those of one value read it character by character if it is a text, those of a
// list visit every element.
func costModels() cel.EnvOption {
	var models []cost.OverloadModel
	for _, overload := range []string{"text_dyn", "number_dyn", exactNumber + "_dyn", "boolean_dyn", "unix_dyn", "status_dyn"} {
		models = append(models, cost.Overload(overload, cost.EvalCost(cost.Sum(cost.Const(cost.CallCost), cost.StringScan(cost.Length(cost.Arg(0)))))))
	}
	for _, overload := range []string{"texts_dyn", "first_list", "join_nonempty_list_string"} {
		models = append(models, cost.Overload(overload, cost.EvalCost(cost.Sum(cost.Const(cost.CallCost), cost.Length(cost.Arg(0))))))
	}
	return cel.CostModel(models...)
}
