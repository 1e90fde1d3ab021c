"""Networks as files that run without this project: .onnx for onnxruntime and others, .pt2 for torch.export."""
