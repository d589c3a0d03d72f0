//! The servers that listen: the public one and the internal one, in their layers, and the management one.

use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::middleware::{NormalizePath, from_fn};
use actix_web::{App, HttpServer, web};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::health::{self, Readiness};
use crate::problem::Problem;
use crate::{Api, door, internal, routes};

/// How long a connection may idle between requests, and how long stopping waits for running ones, in seconds.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
const DRAIN_SECONDS: u64 = 20;
/// How long a client may take for its request line and headers.
const HEAD_TIME: Duration = Duration::from_secs(10);

/// TLS that ends in this process: HTTP/1.1 only, TLS 1.2 and 1.3.
#[derive(Clone)]
pub struct Tls(ServerConfig);

/// Why a certificate or key can not be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file can not be read, or is no PEM.
    #[error("{0}: {1}")]
    Pem(String, rustls::pki_types::pem::Error),
    /// There is no certificate in the file.
    #[error("{0} holds no certificate")]
    Empty(String),
    /// The two do not belong together, or are not understood.
    #[error("the certificate and key can not be used: {0}")]
    Refused(#[from] rustls::Error),
}

impl Tls {
    /// Reads a chain of certificates and the key of the first, both PEM.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub fn load(certificate: &Path, key: &Path) -> Result<Tls, TlsError> {
        let at = |path: &Path, error| TlsError::Pem(path.display().to_string(), error);
        let chain = CertificateDer::pem_file_iter(certificate).map_err(|error| at(certificate, error))?;
        let chain = chain.collect::<Result<Vec<_>, _>>().map_err(|error| at(certificate, error))?;
        if chain.is_empty() {
            return Err(TlsError::Empty(certificate.display().to_string()));
        }
        let key = PrivateKeyDer::from_pem_file(key).map_err(|error| at(key, error))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        Ok(Tls(config))
    }
}

/// The public API on a bound listener. Signals are the program's business.
///
/// # Errors
/// When the listener can not be used.
pub fn public(api: Api, listener: TcpListener, tls: Option<Tls>) -> std::io::Result<Server> {
    let app = move || {
        App::new()
            .app_data(web::Data::new(api.clone()))
            .configure(routes::configure)
            .default_service(web::to(async || Err::<&str, Problem>(not_found())))
            .wrap(from_fn(door::admit))
            .wrap(door::cors(&api.settings))
            .wrap(NormalizePath::trim())
            .wrap(from_fn(door::identify))
    };
    let server = HttpServer::new(app)
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(HEAD_TIME)
        .shutdown_timeout(DRAIN_SECONDS)
        .disable_signals();
    let server = match tls {
        Some(Tls(config)) => server.listen_rustls_0_23(listener, config)?,
        None => server.listen(listener)?,
    };
    Ok(server.run())
}

/// The internal API on a bound listener of its own: no browser calls it, so it knows no CORS.
///
/// # Errors
/// When the listener can not be used.
pub fn internal(api: Api, listener: TcpListener, tls: Option<Tls>) -> std::io::Result<Server> {
    let app = move || {
        App::new()
            .app_data(web::Data::new(api.clone()))
            .configure(internal::routes::configure)
            .default_service(web::to(async || Err::<&str, Problem>(not_found())))
            .wrap(from_fn(door::admit))
            .wrap(NormalizePath::trim())
            .wrap(from_fn(door::identify))
    };
    let server = HttpServer::new(app)
        .workers(2)
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(HEAD_TIME)
        .shutdown_timeout(DRAIN_SECONDS)
        .disable_signals();
    let server = match tls {
        Some(Tls(config)) => server.listen_rustls_0_23(listener, config)?,
        None => server.listen(listener)?,
    };
    Ok(server.run())
}

/// The management listener: `/livez`, `/readyz`, `/metrics`.
///
/// # Errors
/// When the listener can not be used.
pub fn management(
    readiness: Readiness,
    metrics: health::Metrics,
    listener: TcpListener,
) -> std::io::Result<Server> {
    let app = move || {
        App::new()
            .app_data(web::Data::new(readiness.clone()))
            .app_data(web::Data::new(metrics.clone()))
            .configure(health::configure)
    };
    Ok(HttpServer::new(app).workers(1).disable_signals().listen(listener)?.run())
}

fn not_found() -> Problem {
    Problem::new(wire::problem::Code::NotFound)
}
