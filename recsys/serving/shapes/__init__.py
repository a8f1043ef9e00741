"""Bodies of requests and responses of ``/v1``, one file a resource."""
