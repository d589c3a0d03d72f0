//! The servers that listen: the public one, in its layers, and the management one.

use std::net::TcpListener;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::middleware::{NormalizePath, from_fn};
use actix_web::{App, HttpServer, web};

use crate::health::{self, Readiness};
use crate::problem::Problem;
use crate::{Api, door, routes};

/// How long a connection may idle between requests, and how long stopping waits for running ones, in seconds.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
const DRAIN_SECONDS: u64 = 20;

/// The public API on a bound listener. Signals are the program's business.
///
/// # Errors
/// When the listener can not be used.
pub fn public(api: Api, listener: TcpListener) -> std::io::Result<Server> {
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
        .client_request_timeout(Duration::from_secs(10))
        .shutdown_timeout(DRAIN_SECONDS)
        .disable_signals();
    Ok(server.listen(listener)?.run())
}

/// The management listener: `/livez`, `/readyz`.
///
/// # Errors
/// When the listener can not be used.
pub fn management(readiness: Readiness, listener: TcpListener) -> std::io::Result<Server> {
    let app = move || App::new().app_data(web::Data::new(readiness.clone())).configure(health::configure);
    Ok(HttpServer::new(app).workers(1).disable_signals().listen(listener)?.run())
}

fn not_found() -> Problem {
    Problem::new(wire::problem::Code::NotFound)
}
