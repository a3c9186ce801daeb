"""One cluster's API server: its kubeconfig, the HTTP connection, requests and errors."""
