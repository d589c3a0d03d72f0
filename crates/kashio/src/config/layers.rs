//! Where the settings come from, layer over layer, and how an operator is told of it: no secret is shown.

use std::collections::BTreeMap;
use std::path::Path;

use ::config::builder::DefaultState;
use ::config::{Config, ConfigBuilder, Environment, File, FileFormat, Value, ValueKind};
use serde::Serialize;
use url::Url;

use super::{DEFAULT, list, usage};
use crate::Failure;

/// Where a value may come from, the later over the earlier.
pub(super) struct Layers(Vec<(String, Config)>);

impl Layers {
    pub(super) fn read(file: Option<&Path>) -> Result<Layers, Failure> {
        let build = |builder: ConfigBuilder<DefaultState>| builder.build().map_err(usage);
        let compiled_in = Config::builder().add_source(File::from_str(DEFAULT, FileFormat::Toml));
        let mut layers = vec![("compiled in".to_owned(), build(compiled_in)?)];
        if let Some(file) = file {
            let source = File::from(file).format(FileFormat::Toml).required(true);
            layers.push((file.display().to_string(), build(Config::builder().add_source(source))?));
        }
        let environment = Environment::with_prefix("KASHIO").prefix_separator("__").separator("__");
        let environment = build(Config::builder().add_source(environment))?;
        layers.push(("environment".to_owned(), environment));
        if let Ok(url) = std::env::var("DATABASE_URL") {
            let alias = Config::builder().set_override("database.url", url).map_err(usage)?;
            layers.push(("DATABASE_URL".to_owned(), build(alias)?));
        }
        Ok(Layers(layers))
    }

    pub(super) fn merged(&self) -> Result<Config, Failure> {
        let merge = |builder: ConfigBuilder<DefaultState>, layer: &(String, Config)| {
            builder.add_source(layer.1.clone())
        };
        self.0.iter().fold(Config::builder(), merge).build().map_err(usage)
    }
}

/// One setting, as `kashio config show` tells it.
#[derive(Serialize)]
pub struct Shown {
    /// `section.key`.
    pub name: String,
    /// Its value, secrets masked.
    pub value: String,
    /// Which layer it is from.
    pub from: String,
}

/// Every setting with where it came from.
///
/// # Errors
/// When a layer can not be read.
pub fn show(file: Option<&Path>) -> Result<Vec<Shown>, Failure> {
    let layers = Layers::read(file)?;
    let mut shown: BTreeMap<String, Shown> = BTreeMap::new();
    for (from, layer) in &layers.0 {
        let mut values = Vec::new();
        flatten(String::new(), layer.cache.clone(), &mut values);
        for (name, value) in values {
            let from = match from.as_str() {
                "environment" => format!("KASHIO__{}", name.replace('.', "__").to_uppercase()),
                from => from.to_owned(),
            };
            let value = mask(&name, value);
            shown.insert(name.clone(), Shown { name, value, from });
        }
    }
    Ok(shown.into_values().collect())
}

fn flatten(name: String, value: Value, into: &mut Vec<(String, String)>) {
    match value.kind {
        ValueKind::Table(fields) => {
            for (field, value) in fields {
                let name = if name.is_empty() { field } else { format!("{name}.{field}") };
                flatten(name, value, into);
            }
        }
        kind => into.push((name, kind.to_string())),
    }
}

/// Passwords in URLs and sealing keys are not shown.
fn mask(name: &str, value: String) -> String {
    match name {
        "secrets.keys" => {
            // What has no colon has no id: all of it may be the key.
            let id = |key: &str| key.split_once(':').map_or_else(String::new, |(id, _)| format!("{id}:"));
            list(&value).map(|key| id(key) + "***").collect::<Vec<_>>().join(",")
        }
        _ if name.ends_with("url") => match Url::parse(&value) {
            Ok(url) => without_passwords(url, value),
            Err(_) if value.is_empty() => value,
            Err(_) => "*** (not a URL)".to_owned(),
        },
        _ => value,
    }
}

/// A password may stand before the host, or among the parameters.
fn without_passwords(mut url: Url, written: String) -> String {
    let is_secret = |name: &str| name.contains("password");
    let in_query = url.query_pairs().any(|(name, _)| is_secret(&name));
    if !in_query && url.password().is_none() {
        return written;
    }
    if url.password().is_some() {
        // Refused only for URLs that can have no password.
        let _ = url.set_password(Some("***"));
    }
    if in_query {
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let shown = |(name, value): &(String, String)| {
            format!("{name}={}", if is_secret(name) { "***" } else { value })
        };
        url.set_query(Some(&pairs.iter().map(shown).collect::<Vec<_>>().join("&")));
    }
    url.to_string()
}
