// The AWS SDK for Go as a client of keyfob. It is told nothing but its environment.
//
//	go-client credentials              what the default chain finds
//	go-client identity                 who STS says that is
//	go-client loop SECONDS PAUSE_MS    the same client asks STS again and again
//
// Each prints one line of JSON; a failure is {"error", "message"} and exit status 1.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

type answer map[string]any

func credentials(ctx context.Context, told aws.Config) (answer, error) {
	found, err := told.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, err
	}
	said := answer{"AccessKeyId": found.AccessKeyID, "account": nil, "expiration": nil}
	if found.AccountID != "" {
		said["account"] = found.AccountID
	}
	if found.CanExpire {
		said["expiration"] = found.Expires.UTC().Format(time.RFC3339)
	}
	return said, nil
}

func identity(ctx context.Context, told aws.Config) (answer, error) {
	me, err := sts.NewFromConfig(told).GetCallerIdentity(ctx, nil)
	if err != nil {
		return nil, err
	}
	return answer{"account": me.Account, "arn": me.Arn}, nil
}

func loop(ctx context.Context, told aws.Config, seconds, pauseMs string) (answer, error) {
	length, err := strconv.ParseFloat(seconds, 64)
	if err != nil {
		return nil, err
	}
	pause, err := strconv.Atoi(pauseMs)
	if err != nil {
		return nil, err
	}
	client := sts.NewFromConfig(told)
	end := time.Now().Add(time.Duration(length * float64(time.Second)))
	calls, failures, first := 0, 0, any(nil)
	for time.Now().Before(end) {
		calls++
		if _, err := client.GetCallerIdentity(ctx, nil); err != nil {
			failures++
			if first == nil {
				first = err.Error()
			}
		}
		time.Sleep(time.Duration(pause) * time.Millisecond)
	}
	return answer{"calls": calls, "failures": failures, "first": first}, nil
}

func run(ctx context.Context, words []string) (answer, error) {
	told, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, err
	}
	switch {
	case len(words) == 1 && words[0] == "credentials":
		return credentials(ctx, told)
	case len(words) == 1 && words[0] == "identity":
		return identity(ctx, told)
	case len(words) == 3 && words[0] == "loop":
		return loop(ctx, told, words[1], words[2])
	}
	return nil, errors.New("wanted: credentials, identity, or loop SECONDS PAUSE_MS")
}

func main() {
	said, err := run(context.Background(), os.Args[1:])
	if err != nil {
		said = answer{"error": fmt.Sprintf("%T", err), "message": err.Error()}
	}
	line, _ := json.Marshal(said)
	fmt.Println(string(line))
	if err != nil {
		os.Exit(1)
	}
}
