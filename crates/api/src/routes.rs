//! The list of routes. The server is built from it, and so is the test that meets every route with every
//! stranger: a route that is not here does not exist, and one that is can not be forgotten.

use actix_web::http::Method;
use actix_web::{
    FromRequest, Handler, HttpRequest, HttpResponse, Responder, Route as ActixRoute, guard, web,
};
use domain::key::Scope;

use crate::call::{Call, Needs};
use crate::invoices::{lists, updates};
use crate::problem::Problem;
use crate::{account, docs, events, invoices, pay, payments, test_mode, webhooks};

/// How a route gets its handler.
pub(crate) type Handle = fn(ActixRoute) -> ActixRoute;

/// One route of the public API.
pub struct Route {
    /// Its method. `GET` answers `HEAD` too.
    pub method: Method,
    /// Its path, with `{id}` and the like.
    pub path: &'static str,
    /// What a key needs to call it.
    pub scopes: &'static [Scope],
    /// It needs no key.
    pub is_open: bool,
    /// It is an operation of the OpenAPI document. The guide's pages, which only people read, are not.
    pub is_operation: bool,
    pub(crate) handle: Handle,
}

/// Every route of the public API.
pub fn all() -> Vec<Route> {
    vec![
        route(Method::GET, "/v1/payments", account::read, |to| to.to(account::read)),
        route(Method::POST, "/v1/payments/invoices", invoices::create, |to| to.to(invoices::create)),
        route(Method::GET, "/v1/payments/invoices", lists::list, |to| to.to(lists::list)),
        route(Method::GET, "/v1/payments/invoices/list", lists::list_bare, |to| to.to(lists::list_bare)),
        route(Method::GET, "/v1/payments/invoices/list/{date}", lists::list_bare, |to| {
            to.to(lists::list_bare)
        }),
        route(Method::GET, "/v1/payments/invoices/{id}", invoices::read, |to| to.to(invoices::read)),
        route(Method::PATCH, "/v1/payments/invoices/{id}", updates::update, |to| to.to(updates::update)),
        route(Method::POST, "/v1/payments/invoices/{id}", updates::update, |to| to.to(updates::update)),
        route(Method::DELETE, "/v1/payments/invoices/{id}", updates::void, |to| to.to(updates::void)),
        route(Method::GET, "/v1/payments/payments", payments::list, |to| to.to(payments::list)),
        route(Method::GET, "/v1/payments/payments/{id}", payments::read, |to| to.to(payments::read)),
        route(Method::GET, "/v1/payments/events", events::list, |to| to.to(events::list)),
        route(Method::GET, "/v1/payments/events/list", events::list, |to| to.to(events::list)),
        route(Method::GET, "/v1/payments/events/{id}", events::read, |to| to.to(events::read)),
        route(Method::GET, "/v1/payments/event/{id}", events::read, |to| to.to(events::read)),
        route(Method::POST, "/v1/payments/events/{id}/resend", events::resend, |to| to.to(events::resend)),
        route(Method::POST, "/v1/payments/webhook_endpoints", webhooks::create, |to| to.to(webhooks::create)),
        route(Method::GET, "/v1/payments/webhook_endpoints", webhooks::list, |to| to.to(webhooks::list)),
        route(Method::GET, "/v1/payments/webhook_endpoints/{id}", webhooks::read, |to| to.to(webhooks::read)),
        route(Method::PATCH, "/v1/payments/webhook_endpoints/{id}", webhooks::update, |to| {
            to.to(webhooks::update)
        }),
        route(Method::DELETE, "/v1/payments/webhook_endpoints/{id}", webhooks::delete, |to| {
            to.to(webhooks::delete)
        }),
        route(Method::POST, "/v1/payments/webhook_endpoints/{id}/roll_secret", webhooks::roll_secret, |to| {
            to.to(webhooks::roll_secret)
        }),
        route(Method::POST, "/v1/payments/webhook_endpoints/{id}/test", webhooks::test, |to| {
            to.to(webhooks::test)
        }),
        route(
            Method::POST,
            "/v1/payments/webhook_endpoints/{id}/redeliver",
            webhooks::redeliver_range,
            |to| to.to(webhooks::redeliver_range),
        ),
        route(Method::GET, "/v1/payments/webhook_endpoints/{id}/deliveries", webhooks::deliveries, |to| {
            to.to(webhooks::deliveries)
        }),
        route(Method::GET, "/v1/payments/deliveries/{id}", webhooks::delivery, |to| {
            to.to(webhooks::delivery)
        }),
        route(Method::POST, "/v1/payments/deliveries/{id}/redeliver", webhooks::redeliver, |to| {
            to.to(webhooks::redeliver)
        }),
        route(Method::POST, "/v1/payments/test/invoices/{id}/pay", test_mode::pay, |to| {
            to.to(test_mode::pay)
        }),
        route(Method::POST, "/v1/payments/test/invoices/{id}/reverse", test_mode::reverse, |to| {
            to.to(test_mode::reverse)
        }),
        route(Method::POST, "/v1/payments/test/invoices/{id}/expire", test_mode::expire, |to| {
            to.to(test_mode::expire)
        }),
        open(Method::GET, "/pay/{token}", |to| to.to(pay::page)),
        open(Method::GET, "/e/index.html", |to| to.to(pay::page)),
        open(Method::GET, "/pay/{token}/status", |to| to.to(pay::status)),
        open(Method::GET, "/pay/{token}/qr.svg", |to| to.to(pay::qr_svg)),
        open(Method::GET, "/pay/{token}/qr.png", |to| to.to(pay::qr_png)),
        open(Method::POST, "/pay/{token}/simulate", |to| to.to(pay::simulate)),
        open(Method::GET, "/openapi.json", |to| to.to(docs::document)),
        open(Method::GET, "/docs", |to| to.to(docs::page)),
        guide("/docs/guide"),
        guide("/docs/guide/{page:.*}"),
    ]
}

/// The handler is named twice: once for the scope that its type asks for, once for the server.
fn route<S, F>(method: Method, path: &'static str, _: F, handle: Handle) -> Route
where
    S: Needs,
    Call<S>: FromRequest,
    F: Handler<(Call<S>,)>,
    F::Output: Responder,
{
    Route { method, path, scopes: S::SCOPES, is_open: false, is_operation: true, handle }
}

/// A route that needs no key: documents, and the pages of whoever has an order's token.
fn open(method: Method, path: &'static str, handle: Handle) -> Route {
    Route { method, path, scopes: &[], is_open: true, is_operation: true, handle }
}

fn guide(path: &'static str) -> Route {
    Route { is_operation: false, ..open(Method::GET, path, |to| to.to(docs::guide::document)) }
}

/// Puts the public API into an application.
pub fn configure(config: &mut web::ServiceConfig) {
    configure_all(config, all().into_iter().map(|route| (route.method, route.path.to_owned(), route.handle)));
}

/// One resource for each path, which knows its methods. A path is looked for in the order of the list, and a pattern costs a
/// regular expression: what merchants ask for most comes first, and a word before the `{…}` in its place.
pub(crate) fn configure_all(
    config: &mut web::ServiceConfig,
    routes: impl Iterator<Item = (Method, String, Handle)>,
) {
    let mut by_path: Vec<(String, Vec<(Method, Handle)>)> = Vec::new();
    for (method, path, handle) in routes {
        match by_path.iter_mut().find(|(known, _)| *known == path) {
            Some((_, handles)) => handles.push((method, handle)),
            None => by_path.push((path, vec![(method, handle)])),
        }
    }
    for (path, routes) in by_path {
        let allow = allowed(routes.iter().map(|(method, _)| method));
        let mut resource = web::resource(path);
        for (method, handle) in routes {
            resource = resource.route(handle(when(&method)));
        }
        let others = move |request: HttpRequest| {
            let allow = allow.clone();
            async move {
                // A preflight is answered before it comes here; this one only asks what there is.
                if request.method() == Method::OPTIONS {
                    return Ok(HttpResponse::NoContent().insert_header(("Allow", allow)).finish());
                }
                Err(Problem::MethodNotAllowed(allow))
            }
        };
        config.service(resource.default_service(web::to(others)));
    }
}

fn when(method: &Method) -> ActixRoute {
    if method == Method::GET {
        web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
    } else {
        web::method(method.clone())
    }
}

fn allowed<'m>(all: impl Iterator<Item = &'m Method>) -> String {
    let mut methods: Vec<&str> = Vec::new();
    for method in all {
        methods.push(method.as_str());
        if method == Method::GET {
            methods.push("HEAD");
        }
    }
    methods.push("OPTIONS");
    methods.join(", ")
}

#[cfg(test)]
mod tests {
    use actix_web::dev::ResourceDef;

    use super::*;

    #[test]
    fn no_route_hides_one_behind_it() {
        let inside = crate::internal::routes::all();
        let of_inside: Vec<&str> = inside.iter().map(|route| route.path.as_str()).collect();
        let public = all();
        let of_public: Vec<&str> = public.iter().map(|route| route.path).collect();
        for paths in [of_public, of_inside] {
            for (place, path) in paths.iter().enumerate() {
                let hides = paths[..place]
                    .iter()
                    .find(|earlier| *earlier != path && ResourceDef::new(**earlier).is_match(path));
                assert_eq!(hides, None, "{path}");
            }
        }
    }
}
