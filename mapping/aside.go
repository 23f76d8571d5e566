package mapping

// Why a member is inactive where a person decided it. Such a record does not come
// back by itself, neither at its next hint nor as somebody's match.
const (
	WhyOperator = "operator" // unpaired by hand
	WhyReplaced = "replaced" // its system was replaced by another, which has the identity's record now
	WhyRetired  = "retired"  // its system was retired
	// WhyReleased says that the decision was taken back: the record is met again like
	// any other.
	WhyReleased = "released"
)

// SetAside says that a member went by a person's decision.
func SetAside(why string) bool {
	return why == WhyOperator || why == WhyReplaced || why == WhyRetired
}
