//! A Google Cloud Storage made of a loopback socket, judged by Google's own Python client.
