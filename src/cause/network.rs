//! Causes on the way to a server.

use super::Cause;

/// This family, in the order of the runbook.
pub(super) static LIST: &[&Cause] =
    &[&NET_DNS, &NET_REFUSED, &NET_ROUTE, &NET_TIMEOUT, &NET_STSGLOBAL, &NET_PROXY, &NET_OTHER, &TLS_CA];

/// A host name could not be resolved.
pub static NET_DNS: Cause = Cause {
    code: "NET-DNS",
    title: "a host name could not be resolved",
    why: "no address, no connection",
    fix: &["look at /etc/resolv.conf and the network"],
    rule: "getaddrinfo(3)",
};

/// The connection was refused.
pub static NET_REFUSED: Cause = Cause {
    code: "NET-REFUSED",
    title: "the connection was refused",
    why: "nothing listens there, or a firewall says no",
    fix: &["compare address and port; look at the firewall"],
    rule: "connect(2), ECONNREFUSED",
};

/// There is no way to the host.
pub static NET_ROUTE: Cause = Cause {
    code: "NET-ROUTE",
    title: "there is no way to the host",
    why: "the network says that the address cannot be reached from here",
    fix: &["look at the routes (`ip route get ADDRESS`) and at the network policy"],
    rule: "connect(2), ENETUNREACH and EHOSTUNREACH",
};

/// No answer in time.
pub static NET_TIMEOUT: Cause = Cause {
    code: "NET-TIMEOUT",
    title: "no answer in time",
    why: "packets are lost on the way, or the other side is stuck",
    fix: &["look at routes, security groups and VPC endpoints"],
    rule: "connect(2), ETIMEDOUT, and our own bounds",
};

/// The global endpoint of STS cannot be reached.
pub static NET_STSGLOBAL: Cause = Cause {
    code: "NET-STSGLOBAL",
    title: "the global endpoint of STS cannot be reached",
    why: "without a region sts.amazonaws.com is asked, and a private network has a way to the endpoints of its own region, if to any",
    fix: &[
        "set the region, so that its own STS is asked; without a way out of the subnet make a VPC endpoint for it",
    ],
    rule: "botocore `sts_regional_endpoints`; boto3#4301",
};

/// The proxy did not let the request through.
pub static NET_PROXY: Cause = Cause {
    code: "NET-PROXY",
    title: "the proxy did not let the request through",
    why: "the environment names a proxy for this address, and the proxy refused it",
    fix: &["look at the proxy's rules and login, at HTTPS_PROXY and at NO_PROXY"],
    rule: "RFC 9110, CONNECT",
};

/// The connection broke.
pub static NET_OTHER: Cause = Cause {
    code: "NET-OTHER",
    title: "the connection broke",
    why: "the other side ended it, or spoke another protocol",
    fix: &["look at proxies in between, and at what listens there"],
    rule: "the error of the connection",
};

/// The server's certificate is not trusted.
pub static TLS_CA: Cause = Cause {
    code: "TLS-CA",
    title: "the server's certificate is not trusted",
    why: "an intercepting proxy's authority is missing here, or this image has no certificates",
    fix: &["set AWS_CA_BUNDLE or the profile's ca_bundle, or install ca-certificates"],
    rule: "RFC 5280, path validation; aws-sdk-go#2322",
};
