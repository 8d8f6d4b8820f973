package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/openai/openai-go/v3"
)

// checkMedia has OpenAI's SDK send files and make what else than conversations there is.
func checkMedia(ctx context.Context, client openai.Client, model string) {
	sound := make([]byte, 3<<20) // more of it than the gateway keeps in memory
	rand.Read(sound)
	digest := sha256.Sum256(sound)
	sum := hex.EncodeToString(digest[:])
	file := func(name, kind string) io.Reader { return openai.File(bytes.NewReader(sound), name, kind) }
	is := func(got, want string, err error) error {
		if err == nil && got != want {
			err = fmt.Errorf("got %q, want %q", got, want)
		}
		return err
	}
	check("files", func() error {
		sent, err := client.Files.New(ctx, openai.FileNewParams{File: file("a.bin", "application/octet-stream"), Purpose: openai.FilePurposeUserData})
		if err != nil {
			return err
		}
		content, err := client.Files.Content(ctx, sent.ID)
		if err != nil {
			return err
		}
		defer content.Body.Close()
		got, err := io.ReadAll(content.Body)
		if err == nil && !bytes.Equal(got, sound) {
			err = errors.New("another file")
		}
		return err
	})
	check("completions, moderations", func() error {
		a, err := client.Completions.New(ctx, openai.CompletionNewParams{Model: openai.CompletionNewParamsModel(model), Prompt: openai.CompletionNewParamsPromptUnion{OfString: openai.String("once upon")}})
		if err != nil {
			return err
		}
		m, err := client.Moderations.New(ctx, openai.ModerationNewParams{Model: model, Input: openai.ModerationNewParamsInputUnion{OfString: openai.String("bad")}})
		if err == nil && (a.Choices[0].Text != "once upon" || !m.Results[0].Flagged) {
			err = errors.New(a.RawJSON() + m.RawJSON())
		}
		return err
	})
	check("images", func() error {
		a, err := client.Images.Generate(ctx, openai.ImageGenerateParams{Model: model, Prompt: "a fox"})
		if err != nil {
			return err
		}
		b, err := client.Images.Edit(ctx, openai.ImageEditParams{Model: model, Prompt: "a fox", Image: openai.ImageEditParamsImageUnion{OfFile: file("a.png", "image/png")}})
		if err != nil {
			return err
		}
		made, _ := base64.StdEncoding.DecodeString(a.Data[0].B64JSON)
		edited, _ := base64.StdEncoding.DecodeString(b.Data[0].B64JSON)
		return is(string(made)+", "+string(edited), "a fox, a fox "+sum, nil)
	})
	check("speech, transcriptions", func() error {
		said, err := client.Audio.Speech.New(ctx, openai.AudioSpeechNewParams{Model: model, Input: "hello", Voice: openai.AudioSpeechNewParamsVoiceUnion{OfString: openai.String("alloy")}})
		if err != nil {
			return err
		}
		defer said.Body.Close()
		sound, err := io.ReadAll(said.Body)
		if err := is(string(sound), "\xff\xf3hello", err); err != nil {
			return err
		}
		heard, err := client.Audio.Transcriptions.New(ctx, openai.AudioTranscriptionNewParams{Model: model, File: file("a.wav", "audio/wav")})
		if err != nil {
			return err
		}
		return is(heard.Text, sum, nil)
	})
}
