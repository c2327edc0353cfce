package main

import (
	"context"
	"io"
	"net/http"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// bytesAsTheyAre is a codec without a schema.
type bytesAsTheyAre struct{}

func (bytesAsTheyAre) Name() string                        { return "proto" }
func (bytesAsTheyAre) Marshal(message any) ([]byte, error) { return *message.(*[]byte), nil }
func (bytesAsTheyAre) Unmarshal(data []byte, message any) error {
	*message.(*[]byte) = append([]byte(nil), data...)
	return nil
}

// grpcClient takes targets (host:port) for URLs.
type grpcClient struct{ channels map[string]*grpc.ClientConn }

func newGRPC() client { return &grpcClient{map[string]*grpc.ClientConn{}} }

func (c *grpcClient) channel(target string) (*grpc.ClientConn, error) {
	if made, there := c.channels[target]; there {
		return made, nil
	}
	made, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(bytesAsTheyAre{})))
	c.channels[target] = made
	return made, err
}

func (c *grpcClient) get(target string) (int, string, error) { return c.post(target, "hello\n") }

func (c *grpcClient) post(target string, body string) (int, string, error) {
	channel, err := c.channel(target)
	if err != nil {
		return 0, "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	asked, answer := []byte(body), []byte{}
	err = channel.Invoke(ctx, "/carpool.clients.Echo/Say", &asked, &answer)
	return http.StatusOK, string(answer), err
}

func (c *grpcClient) stream(target string, _ string) (int, string, error) {
	channel, err := c.channel(target)
	if err != nil {
		return 0, "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	call, err := channel.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/carpool.clients.Echo/Spread")
	if err != nil {
		return 0, "", err
	}
	asked := []byte("spread\n")
	if err := call.SendMsg(&asked); err != nil {
		return 0, "", err
	}
	if err := call.CloseSend(); err != nil {
		return 0, "", err
	}
	text := ""
	for {
		var piece []byte
		switch err := call.RecvMsg(&piece); err {
		case nil:
			text += string(piece)
		case io.EOF:
			return http.StatusOK, text, nil
		default:
			return 0, text, err
		}
	}
}
