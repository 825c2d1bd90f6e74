//! The way to the endpoints: choosing one, connecting, keeping idle connections.
