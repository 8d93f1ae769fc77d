//! What a message contains: header fields, text, HTML and attachments.
//!
//! A message may be anything. Whatever it is, reading it takes time in proportion to its size, and
//! what is returned is bounded.

use std::borrow::Cow;
use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

mod fields;
mod file_name;
mod markup;
mod parts;

pub(crate) use markup::Markup;

use fields::Field;
use parts::{Part, Role, parts};

/// More of a text is not returned, and not searched.
const LONGEST_TEXT: usize = 1 << 20;
/// More of an HTML part is not shown.
const LONGEST_HTML: usize = 4 << 20;
/// A larger image is not shown in the HTML.
const LARGEST_IMAGE: usize = 4 << 20;
/// More header fields are not returned.
const MOST_FIELDS: usize = 1_000;
/// Header fields beyond this are returned as they are, not decoded.
const DECODED_FIELDS: usize = 256 * 1024;
/// More octets of one field are not returned.
const LONGEST_FIELD: usize = 16 * 1024;

/// What a list shows of the header section.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heading {
    pub(crate) subject: String,
    /// The From field as text.
    pub(crate) from: String,
    pub(crate) from_addresses: Vec<String>,
    /// The To and Cc fields as text.
    pub(crate) to: String,
}

/// More of a subject or an address field is not listed.
const LONGEST_HEADING: usize = 1_000;

impl Heading {
    pub(crate) fn read(content: &[u8]) -> Self {
        let mut heading = Self::default();
        for field in fields::split(content).0.take(MOST_FIELDS) {
            if field.is("Subject") && heading.subject.is_empty() {
                heading.subject = cut(&field.text(), LONGEST_HEADING).0.to_owned();
            } else if field.is("From") && heading.from.is_empty() {
                heading.from = cut(&field.text(), LONGEST_HEADING).0.to_owned();
                heading.from_addresses = field.addresses();
            } else if (field.is("To") || field.is("Cc")) && heading.to.len() < LONGEST_HEADING {
                if !heading.to.is_empty() {
                    heading.to.push_str(", ");
                }
                heading.to.push_str(cut(&field.text(), LONGEST_HEADING).0);
            }
        }
        heading
    }
}

/// Returns the text that is searched: that of the text parts, or that of the HTML without tags.
pub(crate) fn text(content: &[u8]) -> String {
    text_of(&parts(content)).text
}

/// Returns the number of attachments.
pub(crate) fn count_attachments(content: &[u8]) -> usize {
    parts(content).iter().filter(|part| part.role() == Role::Attachment).count()
}

/// A header field.
#[derive(Debug)]
pub(crate) struct HeaderField {
    pub(crate) name: String,
    /// As sent, folded.
    pub(crate) raw: String,
    /// Unfolded and decoded.
    pub(crate) text: String,
}

/// A part that is neither the text nor the HTML of the message.
#[derive(Debug)]
pub(crate) struct Attachment<'a> {
    /// Safe as the name of a file.
    pub(crate) name: String,
    pub(crate) media_type: String,
    pub(crate) content_id: Option<String>,
    pub(crate) octets: Cow<'a, [u8]>,
}

/// Text, which may be cut.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) text: String,
    pub(crate) is_cut: bool,
    /// Whether it was made of HTML, because there is no text part.
    pub(crate) from_html: bool,
}

impl Text {
    /// Returns the addresses of web pages in the text.
    pub(crate) fn links(&self) -> Vec<String> {
        let words = self.text.split(|it: char| it.is_whitespace() || "<>\"`".contains(it));
        let links = words.filter_map(|word| {
            let at = word.find("https://").or_else(|| word.find("http://"))?;
            let link = word[at..].trim_end_matches(|it| ".,;:!?)]}'*_".contains(it));
            (link.len() > "https://".len()).then(|| link.to_owned())
        });
        links.take(markup::MOST_LINKS).collect()
    }
}

/// A message, read.
#[derive(Debug)]
pub(crate) struct Reading<'a> {
    pub(crate) fields: Vec<HeaderField>,
    /// How many fields there are more.
    pub(crate) fields_omitted: usize,
    parts: Vec<Part<'a>>,
}

impl<'a> Reading<'a> {
    pub(crate) fn new(content: &'a [u8]) -> Self {
        let mut all = fields::split(content).0;
        let mut budget = DECODED_FIELDS;
        let fields = all.by_ref().take(MOST_FIELDS).map(|field| header_field(&field, &mut budget));
        let fields = fields.collect();
        Self { fields, fields_omitted: all.count(), parts: parts(content) }
    }

    pub(crate) fn text(&self) -> Text {
        text_of(&self.parts)
    }

    /// Returns the HTML, made safe to show, if there is any.
    pub(crate) fn html(&self) -> Option<Markup> {
        let html = self.html_source()?;
        Some(Markup::read(cut(&html, LONGEST_HTML).0, self.images()))
    }

    pub(crate) fn attachments(&self) -> Vec<Attachment<'a>> {
        let attachments = self.parts.iter().filter(|part| part.role() == Role::Attachment);
        attachments
            .enumerate()
            .map(|(index, part)| Attachment {
                name: file_name::clean(part.declared_name().unwrap_or_default(), index),
                media_type: part.media_type(),
                content_id: part.content_id().map(str::to_owned),
                octets: part.octets(),
            })
            .collect()
    }

    fn html_source(&self) -> Option<String> {
        let html = self.parts.iter().filter(|part| part.role() == Role::Html);
        html.map(Part::text).reduce(|all, part| all + &part)
    }

    /// Returns the message's own images as data URLs, by Content-ID.
    fn images(&self) -> HashMap<String, String> {
        let mut images = HashMap::new();
        for part in &self.parts {
            let kind = part.media_type();
            let Some(id) = part.content_id().filter(|_| markup::is_image(&kind)) else { continue };
            let octets = part.octets();
            if octets.len() <= LARGEST_IMAGE {
                images.insert(
                    id.to_owned(),
                    format!("data:{kind};base64,{}", STANDARD.encode(octets)),
                );
            }
        }
        images
    }
}

fn header_field(field: &Field<'_>, budget: &mut usize) -> HeaderField {
    let raw = field.raw();
    let (raw, _) = cut(&raw, LONGEST_FIELD);
    let is_decoded = field.len() <= *budget;
    *budget = budget.saturating_sub(field.len());
    let text = if is_decoded { field.text().into_owned() } else { raw.to_owned() };
    let (text, _) = cut(&text, LONGEST_FIELD);
    HeaderField { name: field.name().into_owned(), raw: raw.to_owned(), text: text.to_owned() }
}

fn text_of(parts: &[Part<'_>]) -> Text {
    let mut all = Text::default();
    let mut texts = parts.iter().filter(|part| part.role() == Role::Text).map(Part::text);
    // A newsletter with an empty text part has its text in the HTML.
    if let Some(first) = texts.by_ref().find(|text| !text.trim().is_empty()) {
        all.text = first;
        for text in texts {
            if all.text.len() > LONGEST_TEXT {
                break;
            }
            all.text.push('\n');
            all.text.push_str(&text);
        }
    } else {
        for part in parts.iter().filter(|part| part.role() == Role::Html) {
            let html = part.text();
            let text = mail_parser::decoders::html::html_to_text(cut(&html, LONGEST_HTML).0);
            all.text.push_str(text.trim_start());
            all.from_html = true;
        }
    }
    let length = cut(&all.text, LONGEST_TEXT).0.len();
    all.is_cut = length < all.text.len();
    all.text.truncate(length);
    all
}

/// Returns at most this many octets, and whether there are more.
fn cut(text: &str, most: usize) -> (&str, bool) {
    if text.len() <= most {
        return (text, false);
    }
    let end = (0..=most).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    (&text[..end], true)
}

#[cfg(test)]
mod tests;
