// Program grpc-health-probe asks a gRPC server for its health and exits with 0 when it serves. OLM runs it as a probe in the pods of
// catalogues, by the name grpc_health_probe and with the option -addr.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
)

func main() {
	address := flag.String("addr", "", "host:port of the server")
	timeout := flag.Duration("rpc-timeout", time.Second, "for connecting and the answer together")
	flag.Parse()
	if err := probe(*address, *timeout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func probe(address string, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	// As it stands, without asking the cluster's DNS for a configuration of the service, which can take longer than the deadline.
	connection, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()
	answer, err := grpc_health_v1.NewHealthClient(connection).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		return err
	}
	if answer.Status != grpc_health_v1.HealthCheckResponse_SERVING {
		return fmt.Errorf("%s answers %s", address, answer.Status)
	}
	return nil
}
