package bedrock

import "strings"

// formats are the media types of documents by the names that Converse has for them.
var formats = map[string]string{
	"pdf": "application/pdf", "csv": "text/csv", "doc": "application/msword",
	"docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
	"xls":  "application/vnd.ms-excel", "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
	"html": "text/html", "txt": "text/plain", "md": "text/markdown",
}

// named are the formats of images, videos and audio that are not called as their media types are.
var named = map[string]string{
	"three_gp": "video/3gpp", "mov": "video/quicktime", "mkv": "video/x-matroska", "flv": "video/x-flv", "wmv": "video/x-ms-wmv", "mpg": "video/mpeg",
	"mp3": "audio/mpeg", "mka": "audio/x-matroska", "m4a": "audio/mp4",
}

// known are the formats of each kind of block.
var known = map[string]string{
	"image": "png jpeg gif webp",
	"video": "mkv mov mp4 webm flv mpeg mpg wmv three_gp",
	"audio": "mp3 opus wav aac flac mp4 ogg mkv mka x-aac m4a mpeg mpga pcm webm",
}

// typeOf returns the media type of a format of a block's.
func typeOf(kind, format string) string {
	switch {
	case format == "":
		return ""
	case kind == "document":
		return formats[format]
	case named[format] != "" && strings.HasPrefix(named[format], kind+"/"):
		return named[format]
	}
	return kind + "/" + format
}

// formatOf returns the block and the format of a media type, and false where there is none.
func formatOf(mediaType string) (kind, format string, ok bool) {
	mediaType, _, _ = strings.Cut(strings.ToLower(mediaType), ";")
	kind, sub, _ := strings.Cut(mediaType, "/")
	if _, there := known[kind]; !there {
		for format, t := range formats {
			if t == mediaType {
				return "document", format, true
			}
		}
		return "document", "", false
	}
	if sub == "jpg" {
		sub = "jpeg"
	}
	for _, format := range strings.Fields(known[kind]) {
		if format == sub || named[format] == mediaType && format != "mpg" {
			return kind, format, true
		}
	}
	return kind, "", false
}
