//! What an operator writes: the configuration, and the header that an endpoint wants.

use paychan_rpc::EndpointHeader;
use paychan_watcher::config::Config;

/// A configuration's text. Understood: it is a configuration, and the figures that it gives can be worked out.
pub fn configuration(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    match Config::parse(text) {
        Ok(config) => {
            let _ = (config.network_id(), config.operator_socket(), config.store_options(), config.freshness_limits());
            for channels in [0, 1, u32::MAX] {
                if let Ok(floor) = config.floor(5_000, 5, channels) {
                    let _ = config.check_floor(&floor);
                }
            }
            true
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            let _ = error.line();
            false
        }
    }
}

/// The content of a secret's file: `NAME: VALUE`. Understood: it is a header.
pub fn endpoint_header(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    match EndpointHeader::from_line(text) {
        Ok(header) => {
            assert!(!header.name().is_empty());
            assert!(!header.to_string().contains(':'), "only its name is shown");
            true
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            false
        }
    }
}
