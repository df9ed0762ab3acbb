//! The two forms in which answers carry XDR: base64, or JSON (SEP-51) where a request has `xdrFormat: "json"`.

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use stellar_xdr::{Limits, WriteXdr};

use super::error::RpcError;

/// The form that a request asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Format {
    #[default]
    Base64,
    Json,
}

impl Format {
    /// Reads the parameter `xdrFormat`.
    ///
    /// # Errors
    /// Fails when the parameter is neither of the two.
    pub(super) fn of(requested: Option<&str>) -> Result<Self, RpcError> {
        match requested {
            None | Some("" | "base64") => Ok(Self::Base64),
            Some("json") => Ok(Self::Json),
            Some(other) => Err(RpcError::invalid_params(format!(
                "expected 'base64' or 'json' for optional 'xdrFormat', got '{other}'"
            ))),
        }
    }

    /// Writes one value.
    pub(super) fn write<T: WriteXdr + Serialize>(self, value: &T) -> Result<Value, RpcError> {
        let internal = |error: String| RpcError::internal(error);
        match self {
            Self::Base64 => value.to_xdr_base64(Limits::none()).map(Value::String).map_err(|e| internal(e.to_string())),
            Self::Json => serde_json::to_value(value).map_err(|e| internal(e.to_string())),
        }
    }

    /// Writes a list of values.
    pub(super) fn write_all<'a, T: WriteXdr + Serialize + 'a>(
        self,
        values: impl IntoIterator<Item = &'a T>,
    ) -> Result<Value, RpcError> {
        values.into_iter().map(|value| self.write(value)).collect::<Result<Vec<_>, _>>().map(Value::Array)
    }
}

/// The fields of an answer that carry XDR. The public server names them after their form: `resultXdr` and `resultJson`,
/// `key` and `keyJson`.
#[derive(Debug, Default)]
pub(super) struct XdrFields {
    format: Format,
    fields: Map<String, Value>,
}

impl XdrFields {
    pub(super) fn new(format: Format) -> Self {
        Self { format, fields: Map::new() }
    }

    /// Adds a value. `name` is the field's name in the base64 form.
    pub(super) fn put<T: WriteXdr + Serialize>(&mut self, name: &str, value: &T) -> Result<(), RpcError> {
        let written = self.format.write(value)?;
        self.insert(name, written);
        Ok(())
    }

    /// Adds a list of values, unless it is empty.
    pub(super) fn put_all<'a, T: WriteXdr + Serialize + 'a>(
        &mut self,
        name: &str,
        values: impl IntoIterator<Item = &'a T>,
    ) -> Result<(), RpcError> {
        let written = self.format.write_all(values)?;
        self.insert_list(name, written);
        Ok(())
    }

    /// Adds lists that are written already, unless there are none.
    pub(super) fn insert_list(&mut self, name: &str, written: Value) {
        if written.as_array().is_some_and(|list| !list.is_empty()) {
            self.insert(name, written);
        }
    }

    /// Adds a value whose names in the two forms do not follow the rule.
    pub(super) fn put_as<T: WriteXdr + Serialize>(
        &mut self,
        base64_name: &str,
        json_name: &str,
        value: &T,
    ) -> Result<(), RpcError> {
        let written = self.format.write(value)?;
        let name = if self.format == Format::Json { json_name } else { base64_name };
        self.fields.insert(name.to_owned(), written);
        Ok(())
    }

    /// Adds a value that is written already.
    pub(super) fn insert(&mut self, name: &str, written: Value) {
        let name = match self.format {
            Format::Base64 => name.to_owned(),
            Format::Json => json_name(name),
        };
        self.fields.insert(name, written);
    }
}

/// The JSON form's name for a field of the base64 form.
fn json_name(name: &str) -> String {
    format!("{}Json", name.strip_suffix("Xdr").unwrap_or(name))
}

impl Serialize for XdrFields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.fields.serialize(serializer)
    }
}
