package llm

// Feature is something that a request may ask of a model besides words, and that not every model has.
type Feature string

// The features.
const (
	FeatureTools  Feature = "tools"  // functions that the model may call
	FeatureImages Feature = "images" // to look at
	FeatureAudio  Feature = "audio"  // to listen to
	FeatureVideo  Feature = "video"
	FeatureFiles  Feature = "files"  // PDF and other documents
	FeatureSchema Feature = "schema" // an answer that fits a JSON schema
)

// Features returns all of them.
func Features() []Feature {
	return []Feature{FeatureTools, FeatureImages, FeatureAudio, FeatureVideo, FeatureFiles, FeatureSchema}
}
