//! The listener's certificate. Agents are not asked for one: they have the key.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::agents::ListenError;
use crate::hep::Tls;

/// Reads certificate and key.
pub(crate) fn context(tls: &Tls) -> Result<Arc<ServerConfig>, ListenError> {
    let wrong = |file: &Path, why: &dyn std::fmt::Display| ListenError::Certificate {
        file: file.display().to_string(),
        why: why.to_string(),
    };
    let certificates: Vec<_> = CertificateDer::pem_file_iter(&tls.certificate)
        .and_then(Iterator::collect)
        .map_err(|error| wrong(&tls.certificate, &error))?;
    let key = PrivateKeyDer::from_pem_file(&tls.key).map_err(|error| wrong(&tls.key, &error))?;
    let context = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(&tls.certificate, &error))?
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .map_err(|error| wrong(&tls.certificate, &error))?;
    Ok(Arc::new(context))
}
