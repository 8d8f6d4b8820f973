package vertex

import "strings"

// The locations that are no region.
const (
	locationGlobal = "global"
	locationUS     = "us"
	locationEU     = "eu"
)

// regions are those that Vertex AI serves models in. Source: the vendor's list of locations.
const regions = `africa-south1
asia-east1 asia-east2 asia-northeast1 asia-northeast2 asia-northeast3 asia-south1 asia-south2 asia-southeast1 asia-southeast2
australia-southeast1 australia-southeast2
europe-central2 europe-north1 europe-southwest1
europe-west1 europe-west2 europe-west3 europe-west4 europe-west6 europe-west8 europe-west9 europe-west12
me-central1 me-central2 me-west1
northamerica-northeast1 northamerica-northeast2 southamerica-east1 southamerica-west1
us-central1 us-east1 us-east4 us-east5 us-south1 us-west1 us-west2 us-west3 us-west4`

// originOf returns the address of a location, or "" for one that is not known.
func originOf(location string) string {
	switch location {
	case locationGlobal:
		return "https://aiplatform.googleapis.com"
	case locationUS, locationEU:
		return "https://aiplatform." + location + ".rep.googleapis.com"
	}
	for region := range strings.FieldsSeq(regions) {
		if region == location {
			return "https://" + region + "-aiplatform.googleapis.com"
		}
	}
	return ""
}

// origins returns the addresses of all locations.
func origins() []string {
	out := []string{originOf(locationGlobal), originOf(locationUS), originOf(locationEU)}
	for region := range strings.FieldsSeq(regions) {
		out = append(out, originOf(region))
	}
	return out
}
