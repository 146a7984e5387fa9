//! Variables of the environment: `SILVERBACK_` and the key in capitals.

/// What every variable of ours begins with.
pub(super) const PREFIX: &str = "SILVERBACK_";

/// The variable that sets a key.
pub(crate) fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "_").to_uppercase())
}

/// Whether Kubernetes has put a variable there, for a service whose name begins with `silverback`: such as `SILVERBACK_SERVICE_HOST`,
/// `SILVERBACK_PORT` and `SILVERBACK_API_PORT_8080_TCP_ADDR`.
pub(super) fn is_of_kubernetes(name: &str) -> bool {
    let has_number = |rest: &str| rest.starts_with(|first: char| first.is_ascii_digit());
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.ends_with("_PORT")
        || name.split_once("_PORT_").is_some_and(|(_, rest)| has_number(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_a_variable() {
        assert_eq!(variable("heartbeat.ping_after"), "SILVERBACK_HEARTBEAT_PING_AFTER");
    }

    #[test]
    fn what_kubernetes_says_of_a_service_is_no_misspelt_setting() {
        for name in ["SILVERBACK_SERVICE_HOST", "SILVERBACK_SERVICE_PORT_HTTP", "SILVERBACK_PORT", "SILVERBACK_API_PORT_80_TCP_ADDR"] {
            assert!(is_of_kubernetes(name), "{name}");
        }
        assert!(!is_of_kubernetes("SILVERBACK_LIMITS_MESSAGE"));
        assert!(!is_of_kubernetes("SILVERBACK_LISTN"));
    }
}
