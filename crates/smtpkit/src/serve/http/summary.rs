//! Messages as JSON.

use std::time::SystemTime;

use serde::Serialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::serve::reading::Reading;
use crate::serve::store::{Finding, Stored};

/// What a list shows of a message. Written as it is, because a list may have thousands.
#[derive(Serialize)]
pub(super) struct Summary<'a> {
    id: u64,
    received: String,
    protocol: &'static str,
    reverse_path: &'a str,
    forward_paths: &'a [String],
    subject: &'a str,
    header_from: &'a str,
    header_to: &'a str,
    size: usize,
    attachments: usize,
    findings: usize,
    tls: Option<&'a str>,
    user: Option<&'a str>,
}

impl<'a> Summary<'a> {
    pub(super) fn new(stored: &'a Stored) -> Self {
        let message = &stored.message;
        let heading = stored.heading();
        Self {
            id: stored.id,
            received: timestamp(message.received),
            protocol: message.protocol.name(),
            reverse_path: &message.reverse_path,
            forward_paths: &message.forward_paths,
            subject: &heading.subject,
            header_from: &heading.from,
            header_to: &heading.to,
            size: message.octets.len(),
            attachments: stored.attachments(),
            findings: message.findings.len(),
            tls: message.tls.as_deref(),
            user: message.user.as_deref(),
        }
    }
}

/// A list of messages, of all that fit.
#[derive(Serialize)]
pub(super) struct List<'a> {
    pub(super) total: usize,
    pub(super) messages: Vec<Summary<'a>>,
}

pub(super) fn summary(stored: &Stored) -> Value {
    // A structure of strings and numbers always has a value.
    serde_json::to_value(Summary::new(stored)).unwrap_or_default()
}

/// Everything but the source and the dialogue.
pub(super) fn whole(stored: &Stored) -> Value {
    let mut value = summary(stored);
    let reading = Reading::new(&stored.message.octets);
    let fields = reading.fields.iter();
    let fields: Vec<Value> = fields
        .map(|field| json!({ "name": field.name, "text": field.text, "raw": field.raw }))
        .collect();
    let attachments: Vec<Value> = reading
        .attachments()
        .iter()
        .enumerate()
        .map(|(index, attachment)| {
            json!({
                "index": index,
                "name": attachment.name,
                "type": attachment.media_type,
                "size": attachment.octets.len(),
                "content_id": attachment.content_id,
            })
        })
        .collect();
    let text = reading.text();
    let html = reading.html();
    let links = html.as_ref().map_or_else(|| text.links(), |html| html.links.clone());
    let members = json!({
        "mail": stored.message.mail,
        "rcpt": stored.message.rcpts,
        "header_fields": fields,
        "header_fields_omitted": reading.fields_omitted,
        "text": text.text,
        "text_is_cut": text.is_cut,
        "text_from_html": text.from_html,
        "html": html.is_some(),
        "links": links,
        "remote": html.map_or(0, |html| html.remote),
        "attachments": attachments,
        "findings": stored.message.findings.iter().map(finding).collect::<Vec<_>>(),
    });
    if let (Value::Object(all), Value::Object(members)) = (&mut value, members) {
        all.extend(members);
    }
    value
}

pub(super) fn finding(finding: &Finding) -> Value {
    json!({ "lint": finding.lint, "what": finding.what, "remedy": finding.remedy })
}

/// In UTC, with milliseconds.
fn timestamp(at: SystemTime) -> String {
    let at = OffsetDateTime::from(at);
    let at = at.replace_millisecond(at.millisecond()).unwrap_or(at);
    // Only a year beyond 9999 has no such form.
    at.format(&Rfc3339).unwrap_or_default()
}
