//! The list of internal routes, as `crate::routes` for merchants.

use actix_web::http::Method;
use actix_web::web;

use super::{accounts, audit, channels, collections, keys, service_keys, support};
use crate::routes::Handle;
use crate::{docs, routes};

/// Where every internal route begins.
pub const BASE: &str = "/internal/v1";

/// One internal route.
pub struct Route {
    /// Its method. `GET` answers `HEAD` too.
    pub method: Method,
    /// Its path.
    pub path: String,
    /// The merchant's route that it is, on an account's behalf.
    pub public: Option<&'static str>,
    /// It needs no key.
    pub is_open: bool,
    /// Banks' connectors call it, and the console does not.
    pub is_collectors: bool,
    handle: Handle,
}

/// Every route of the internal API.
pub fn all() -> Vec<Route> {
    let mut all = vec![
        route(Method::POST, "/accounts", |to| to.to(accounts::create)),
        route(Method::GET, "/accounts", |to| to.to(accounts::list)),
        route(Method::GET, "/accounts/{id}", |to| to.to(accounts::read)),
        route(Method::PATCH, "/accounts/{id}", |to| to.to(accounts::update)),
        route(Method::POST, "/accounts/{id}/disable", |to| to.to(accounts::disable)),
        route(Method::POST, "/accounts/{id}/enable", |to| to.to(accounts::enable)),
        route(Method::POST, "/accounts/{id}/keys", |to| to.to(keys::create)),
        route(Method::GET, "/accounts/{id}/keys", |to| to.to(keys::list)),
        route(Method::GET, "/keys/{id}", |to| to.to(keys::read)),
        route(Method::POST, "/keys/{id}/roll", |to| to.to(keys::roll)),
        route(Method::POST, "/keys/{id}/revoke", |to| to.to(keys::revoke)),
        route(Method::POST, "/service-keys", |to| to.to(service_keys::create)),
        route(Method::GET, "/service-keys", |to| to.to(service_keys::list)),
        route(Method::GET, "/service-keys/{id}", |to| to.to(service_keys::read)),
        route(Method::POST, "/service-keys/{id}/roll", |to| to.to(service_keys::roll)),
        route(Method::POST, "/service-keys/{id}/revoke", |to| to.to(service_keys::revoke)),
        route(Method::PUT, "/channels/{id}", |to| to.to(channels::put)),
        route(Method::GET, "/channels/{id}", |to| to.to(channels::read)),
        route(Method::GET, "/channels", |to| to.to(channels::list)),
        Route {
            is_collectors: true,
            ..route(Method::POST, "/collections/inquire", |to| to.to(collections::inquire))
        },
        Route {
            is_collectors: true,
            ..route(Method::POST, "/collections/pay", |to| to.to(collections::pay))
        },
        Route {
            is_collectors: true,
            ..route(Method::POST, "/collections/reverse", |to| to.to(collections::reverse))
        },
        route(Method::GET, "/search", |to| to.to(support::search)),
        route(Method::GET, "/invoices/{id}/timeline", |to| to.to(support::timeline)),
        route(Method::POST, "/payments/{id}/apply", |to| to.to(support::apply)),
        route(Method::POST, "/payments/{id}/return", |to| to.to(support::give_back)),
        route(Method::GET, "/audit", |to| to.to(audit::list)),
        Route { is_open: true, ..route(Method::GET, "/openapi.json", |to| to.to(docs::internal_document)) },
    ];
    all.extend(routes::all().into_iter().filter_map(on_behalf));
    all
}

fn route(method: Method, path: &str, handle: Handle) -> Route {
    Route {
        method,
        path: format!("{BASE}{path}"),
        public: None,
        is_open: false,
        is_collectors: false,
        handle,
    }
}

/// A merchant's route below an account and a mode; the check of a key has no meaning there.
fn on_behalf(public: routes::Route) -> Option<Route> {
    let rest = public.path.strip_prefix("/v1/payments/").filter(|_| !public.is_open)?;
    let path = format!("{BASE}/accounts/{{account}}/{{mode}}/{rest}");
    Some(Route {
        method: public.method,
        path,
        public: Some(public.path),
        is_open: false,
        is_collectors: false,
        handle: public.handle,
    })
}

/// Puts the internal API into an application.
pub fn configure(config: &mut web::ServiceConfig) {
    let all = all();
    // actix-web takes the first pattern that matches: `{mode}` is one of two words.
    let pattern = |path: &str| path.replace("{mode}", "{mode:test|live}");
    routes::configure_all(
        config,
        all.iter().map(|route| (route.method.clone(), pattern(&route.path), route.handle)),
    );
}
