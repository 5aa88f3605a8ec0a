module github.com/enneo-ai/enneo-bridge/proto

go 1.26.0

require google.golang.org/protobuf v1.36.12
