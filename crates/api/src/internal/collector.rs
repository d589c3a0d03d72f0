//! A request of a bank's connector: a service key of role `collector`, which speaks for one channel.

use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use domain::key::Role;
use wire::problem::Code;

use super::console;
use crate::Api;
use crate::incoming::Incoming;
use crate::problem::Problem;

/// A request of a connector.
pub struct Collector {
    /// What handlers can reach.
    pub api: Api,
    /// The only channel that it speaks for.
    pub channel: String,
    incoming: Incoming,
}

impl Deref for Collector {
    type Target = Incoming;
    fn deref(&self) -> &Incoming {
        &self.incoming
    }
}

impl DerefMut for Collector {
    fn deref_mut(&mut self) -> &mut Incoming {
        &mut self.incoming
    }
}

impl FromRequest for Collector {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let api = request.app_data::<web::Data<Api>>().ok_or(Problem::new(Code::InternalError))?;
            let api = api.get_ref().clone();
            let key = console::service(&request, &api).await?;
            match &key.role {
                Role::Collector { channel } => {
                    let channel = channel.clone();
                    Ok(Collector { api, channel, incoming: Incoming::new(request, payload) })
                }
                Role::Kcms => Err(Problem::new(Code::InsufficientRole)),
            }
        })
    }
}
