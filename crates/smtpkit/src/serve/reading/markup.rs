//! The HTML of a message, made safe to show.
//!
//! This is the first of two defenses. The content policy of the response is the second, and forbids
//! scripts, forms and remote content by itself. What a policy does not cover, such as a link that is
//! followed, is removed here.
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use ammonia::{Builder, UrlRelative};

/// Elements beyond those that the sanitizer keeps by itself.
const ELEMENTS: &[&str] = &["big", "font", "main", "menu", "nobr", "section", "style", "tfoot"];

/// Attributes of any element. Those that load something are looked at one by one.
const ATTRIBUTES: &[&str] = &[
    "align",
    "aria-hidden",
    "aria-label",
    "background",
    "bgcolor",
    "border",
    "cellpadding",
    "cellspacing",
    "class",
    "clear",
    "color",
    "dir",
    "face",
    "height",
    "hspace",
    "id",
    "lang",
    "nowrap",
    "role",
    "size",
    "style",
    "title",
    "valign",
    "vspace",
    "width",
];

/// Image types that can run nothing.
const IMAGES: &[&str] =
    &["image/avif", "image/bmp", "image/gif", "image/jpeg", "image/png", "image/webp"];

/// What a style loads by, and what replaces it: a reference into the document itself, and names that
/// do not exist.
const LOADING: &[(&str, &str)] =
    &[("url(", "url(#"), ("@import", "@blocked"), ("image-set(", "blocked(")];

/// A link that goes nowhere.
const NOWHERE: &str = "#-";

/// More links are not listed.
pub(super) const MOST_LINKS: usize = 200;

/// The most tags of a document, beginning and end, and the most character references; what follows is
/// cut off. Real letters have a few thousand. The parser takes time with the square of how deep tags
/// are nested, and of how many references are none.
const MOST: [(char, usize); 2] = [('<', 10_000), ('&', 30_000)];

/// All images that are embedded together, in octets of the document.
const IMAGE_OCTETS: usize = 16 * 1024 * 1024;

/// HTML that may be shown, and what was found in it.
#[derive(Debug, Default)]
pub(crate) struct Markup {
    pub(crate) document: String,
    /// Where the links lead, in the order of the document; only http, https and mailto.
    pub(crate) links: Vec<String>,
    /// References to images and styles elsewhere, which are not loaded.
    pub(crate) remote: usize,
}

/// What the sanitizer asks about while it works.
struct Found {
    images: HashMap<String, String>,
    /// How many octets of images may still be embedded.
    image_octets: usize,
    links: Vec<String>,
    remote: usize,
}

impl Markup {
    /// Reads a document. `images` has data URLs of the message's own images, by Content-ID.
    pub(crate) fn read(html: &str, images: HashMap<String, String>) -> Self {
        let end_of = |(sign, most)| html.match_indices(sign).nth(most).map(|(at, _)| at);
        let end = MOST.into_iter().filter_map(end_of).min().unwrap_or(html.len());
        let html = &html[..end];
        let found = Found { images, image_octets: IMAGE_OCTETS, links: Vec::new(), remote: 0 };
        let found = Arc::new(Mutex::new(found));
        let asked = Arc::clone(&found);
        let document = Builder::default()
            .add_tags(ELEMENTS)
            .rm_clean_content_tags(["style"])
            .add_generic_attributes(ATTRIBUTES)
            .add_tag_attributes("img", ["srcset"])
            .url_schemes(HashSet::from(["cid", "data", "http", "https", "mailto"]))
            .url_relative(UrlRelative::PassThrough)
            .link_rel(None)
            .attribute_filter(move |element, attribute, value| {
                let mut found = asked.lock().unwrap_or_else(PoisonError::into_inner);
                found.attribute(element, attribute, value)
            })
            .clean(html)
            .to_string();
        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
        let links = std::mem::take(&mut found.links);
        let (document, remote) = tame_styles(&document);
        Self { document, links, remote: remote + found.remote }
    }
}

/// Returns whether images of this type may be embedded.
pub(crate) fn is_image(media_type: &str) -> bool {
    IMAGES.contains(&media_type)
}

impl Found {
    /// Returns what an attribute becomes; `None` removes it.
    fn attribute<'v>(
        &mut self,
        element: &str,
        attribute: &str,
        value: &'v str,
    ) -> Option<Cow<'v, str>> {
        match (element, attribute) {
            // What is looked for below is the element alone.
            ("style", _) => None,
            ("a", "href") => Some(self.link(value)),
            ("img", "src") => self.image(value).map(Cow::Owned),
            (_, "src" | "href" | "cite") => None,
            (_, "srcset" | "background") => {
                self.remote += 1;
                None
            }
            (_, "style") => {
                let (css, remote) = without_remote(value);
                self.remote += remote;
                Some(Cow::Owned(css))
            }
            _ => Some(Cow::Borrowed(value)),
        }
    }

    fn link<'v>(&mut self, url: &'v str) -> Cow<'v, str> {
        let url = url.trim();
        if url.starts_with('#') {
            return Cow::Borrowed(url);
        }
        let is_listed = ["http:", "https:", "mailto:"].iter().any(|scheme| has_scheme(url, scheme));
        if is_listed && self.links.len() < MOST_LINKS {
            self.links.push(url.to_owned());
        }
        Cow::Borrowed(NOWHERE)
    }

    fn image(&mut self, url: &str) -> Option<String> {
        let url = url.trim();
        let embedded = if has_scheme(url, "cid:") {
            self.images.get(&url[4..]).cloned()
        } else if has_scheme(url, "data:") {
            let kind = url[5..].split([';', ',']).next().unwrap_or_default().to_ascii_lowercase();
            is_image(&kind).then(|| url.to_owned())
        } else {
            self.remote += 1;
            None
        };
        let embedded = embedded.filter(|url| url.len() <= self.image_octets)?;
        self.image_octets -= embedded.len();
        Some(embedded)
    }
}

fn has_scheme(url: &str, scheme: &str) -> bool {
    url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
}

/// Makes the style elements of a sanitized document load nothing.
fn tame_styles(document: &str) -> (String, usize) {
    let mut pieces = document.split("<style>");
    let mut tamed = pieces.next().unwrap_or_default().to_owned();
    let mut remote = 0;
    for piece in pieces {
        let (css, rest) = piece.split_once("</style>").unwrap_or((piece, ""));
        let (css, found) = without_remote(css);
        remote += found;
        tamed.push_str("<style>");
        // No style needs it, and it begins a tag for what does not take this for a style.
        tamed.push_str(&css.replace('<', ""));
        tamed.push_str("</style>");
        tamed.push_str(rest);
    }
    (tamed, remote)
}

/// Makes invalid what a style would load, and counts it. Escapes are removed, because they could hide a
/// name.
fn without_remote(css: &str) -> (String, usize) {
    let css = css.replace('\\', "");
    let lower = css.to_ascii_lowercase();
    let (mut kept, mut from, mut remote) = (String::with_capacity(css.len()), 0, 0);
    for (at, _) in lower.match_indices(['u', '@', 'i']) {
        let found = LOADING.iter().find(|(name, _)| lower[at..].starts_with(name));
        let Some((name, harmless)) = found else { continue };
        let end = at + name.len();
        let target = lower[end..].trim_start_matches([' ', '"', '\'']);
        if *name == "url(" && (target.starts_with("data:") || target.starts_with('#')) {
            continue;
        }
        remote += 1;
        kept.push_str(&css[from..at]);
        kept.push_str(harmless);
        from = end;
    }
    kept.push_str(&css[from..]);
    (kept, remote)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(html: &str, expected: &str, remote: usize) {
        let images =
            HashMap::from([("logo@x".to_owned(), "data:image/png;base64,AAAA".to_owned())]);
        let markup = Markup::read(html, images);
        assert_eq!(markup.document, expected);
        assert_eq!(markup.remote, remote);
    }

    #[test]
    fn what_is_shown_remains() {
        check("<!doctype html><p CLASS=a>x &amp; y</P >", "<p class=\"a\">x &amp; y</p>", 0);
        let cell = "<table><tbody><tr><td width=\"10\" style=\"color: red\">1 &lt; 2</td></tr></tbody></table>";
        check(cell, cell, 0);
        check("<font color=red>x</font>", "<font color=\"red\">x</font>", 0);
        check("<style>p { margin: 0 }</style>x", "<style>p { margin: 0 }</style>x", 0);
    }

    #[test]
    fn what_could_run_is_removed() {
        for html in [
            "a<script>alert('<p>')</script>b",
            "a<meta http-equiv=refresh content='0;url=//x'><base href=//x>b",
            "a<link rel=preconnect href=//x>b",
            "a<!--[if mso]><p><![endif]-->b",
            "a<object data=x></object><iframe srcdoc=x></iframe>b",
        ] {
            check(html, "ab", 0);
        }
        check("<p onclick=x OnError='y'>x</p>", "<p>x</p>", 0);
        check("<form action=//x><input name=a><button>Go</button></form>", "Go", 0);
    }

    /// No piece of markup gets through that a browser could read in another way than the sanitizer.
    #[test]
    fn nothing_that_runs_or_loads_is_smuggled_in() {
        for html in [
            "<svg><script>x</script><style><img src=x onerror=alert(1)></style></svg>",
            "<math><mtext><table><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=1 onerror=alert(1)&gt;\">",
            "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
            "<textarea></p><script>x</script></textarea>",
            "<select><style><input><link href=//x></style>",
            "<scr<script>ipt>alert(1)</script>",
            "<img src=x onerror=alert(1)//",
            "<style><!--</style><script>alert(1)</script>-->",
        ] {
            let document = Markup::read(html, HashMap::new()).document;
            let outside = document
                .split("<style>")
                .map(|piece| piece.split_once("</style>").map_or(piece, |(_, rest)| rest));
            let outside: String = outside.collect();
            for tag in ["<script", "<link", "<svg", "<math", " onerror=alert(1)>", "src=\"x"] {
                let quoted = outside.contains("title=\"");
                assert!(quoted || !outside.contains(tag), "{html} became {document}");
            }
        }
    }

    #[test]
    fn links_lead_nowhere_and_are_listed() {
        let html = "<a href=' https://x.example/?a=1&amp;b=2 ' target=_top>1</a>\
            <a href='java&#115;cript:alert(1)'>2</a><a href='#top'>3</a><a href='MAILTO:a@b'>4</a>\
            <a href='/there'>5</a>";
        let markup = Markup::read(html, HashMap::new());
        assert_eq!(
            markup.document,
            "<a href=\"#-\">1</a><a>2</a><a href=\"#top\">3</a><a href=\"#-\">4</a>\
             <a href=\"#-\">5</a>"
        );
        assert_eq!(markup.links, ["https://x.example/?a=1&b=2", "MAILTO:a@b"]);
    }

    #[test]
    fn only_images_of_the_message_are_shown() {
        check(
            "<img src=cid:logo@x alt=Logo>",
            "<img src=\"data:image/png;base64,AAAA\" alt=\"Logo\">",
            0,
        );
        check("<img src=cid:other>", "<img>", 0);
        check("<img src='http://x/y.png' srcset='//z 2x'>", "<img>", 2);
        check("<img src='//x/y.png'>", "<img>", 1);
        check("<img src=data:image/gif;base64,R0>", "<img src=\"data:image/gif;base64,R0\">", 0);
        check("<img src='data:image/svg+xml,<svg/>'>", "<img>", 0);
        check("<p background=//x></p>", "<p></p>", 1);
    }

    #[test]
    fn styles_load_nothing() {
        check(
            "<p style='background:URL( \"//x\"); color: red'></p>",
            "<p style=\"background:url(# &quot;//x&quot;); color: red\"></p>",
            1,
        );
        check(
            "<p style='background:url(data:x)'></p>",
            "<p style=\"background:url(data:x)\"></p>",
            0,
        );
        check(
            "<style>@import url(//x); p{width<3;background:url(#a)}</style>",
            "<style>@blocked url(#//x); p{width3;background:url(#a)}</style>",
            2,
        );
        check(
            "<p style='a:u\\72 l(//x);b:\\u\\rl(//x)'></p>",
            "<p style=\"a:u72 l(//x);b:url(#//x)\"></p>",
            1,
        );
        check(
            "<p style='x:-webkit-image-set(\"//x\" 1x)'></p>",
            "<p style=\"x:-webkit-blocked(&quot;//x&quot; 1x)\"></p>",
            1,
        );
        check("<p style='x:&#117;rl(//x)'></p>", "<p style=\"x:url(#//x)\"></p>", 1);
    }

    /// None of these takes long, and none overflows the stack.
    #[test]
    fn a_large_document_is_read() {
        for piece in [
            "<",
            "<p ",
            "<!--",
            "<a href=",
            "<style>",
            "&#",
            "<p a=\"",
            "</textarea",
            "<b>",
            "<div>",
            "<table>",
        ] {
            let html = piece.repeat((1 << 20) / piece.len());
            assert!(Markup::read(&html, HashMap::new()).document.len() < 16 << 20, "{piece}");
        }
    }
}
