//! From a page's Markdown to what `templates/page.html` shows, in its order.
//!
//! A page is a list of rows: text, the code that belongs to it, and what is said after it. A heading begins a row, and so
//! does text between two pieces of code.
//! Neighbouring blocks of `shell`, `javascript` and `python` are one sample in tabs; `json 201` is an answer with its
//! status, `json 200 excerpt` a part of one (`docs/api/README.md`).

use pulldown_cmark::{
    BlockQuoteKind, CodeBlockKind, CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html,
};

use crate::{Language, highlight, path_of};

/// A page, ready for its template.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// Its name.
    pub(crate) title: String,
    /// Its first paragraph, as HTML.
    pub(crate) lead: String,
    /// The rest.
    pub(crate) rows: Vec<Row>,
    /// Where its menu leads to.
    pub(crate) headings: Vec<Heading>,
    /// What can be found in it.
    pub(crate) sections: Vec<Section>,
}

impl Page {
    /// The page that is shown where there is none.
    pub(crate) fn missing(words: &Language) -> Page {
        Page {
            title: words.missing.to_owned(),
            lead: format!("<p>{}</p>", words.missing_why),
            rows: vec![Row {
                text: format!("<p><a class=\"button\" href=\"{}/\">{}</a></p>", words.prefix, words.home),
                ..Row::default()
            }],
            ..Page::default()
        }
    }
}

/// Text and, beside it, its code.
#[derive(Debug, Default)]
pub(crate) struct Row {
    /// As HTML.
    pub(crate) text: String,
    /// From above to below.
    pub(crate) pieces: Vec<Piece>,
    /// What is said after the code, as HTML.
    pub(crate) after: String,
}

/// Something in the column of code.
#[derive(Debug)]
pub(crate) enum Piece {
    /// The same in several languages.
    Samples(Vec<Sample>),
    /// What is answered, or looks like code.
    Shown {
        /// What it is.
        caption: String,
        /// As HTML.
        code: String,
    },
}

/// Code that can be run.
#[derive(Debug)]
pub(crate) struct Sample {
    /// For the script.
    pub(crate) language: &'static str,
    /// For people.
    pub(crate) name: &'static str,
    /// As HTML.
    pub(crate) code: String,
}

/// A heading that can be linked to.
#[derive(Debug)]
pub(crate) struct Heading {
    /// 2 or 3.
    pub(crate) level: u8,
    /// Its id.
    pub(crate) anchor: String,
    /// Its words.
    pub(crate) title: String,
}

/// What the search shows as one result.
#[derive(Debug, Default)]
pub(crate) struct Section {
    /// Its heading's id; none for the page's beginning.
    pub(crate) anchor: String,
    /// Its heading.
    pub(crate) heading: String,
    /// Its words, code among them.
    pub(crate) text: String,
}

/// The languages of samples, in the order of their tabs.
const SAMPLES: [(&str, &str); 3] = [("shell", "Shell"), ("javascript", "JavaScript"), ("python", "Python")];

/// Reads the page that the file `name` holds.
pub(crate) fn page(words: &Language, name: &str, source: &str) -> Page {
    let options = Options::ENABLE_TABLES | Options::ENABLE_GFM;
    let events: Vec<Event<'_>> =
        Parser::new_ext(source, options).map(|event| with_own_links(words, event)).collect();
    let mut reader = Reader { words, page: Page::default(), row: Row::default() };
    let (mut depth, mut start) = (0_usize, 0);
    for (place, event) in events.iter().enumerate() {
        match event {
            Event::Start(_) => depth += 1,
            Event::End(_) => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            reader.block(&events[start..=place]);
            start = place + 1;
        }
    }
    reader.end_row();
    if reader.page.title.is_empty() {
        reader.page.title = name.to_owned();
    }
    reader.page
}

struct Reader<'w> {
    words: &'w Language,
    page: Page,
    row: Row,
}

impl Reader<'_> {
    fn block(&mut self, events: &[Event<'_>]) {
        match events.first() {
            Some(Event::Start(Tag::Heading { level: HeadingLevel::H1, .. })) => {
                self.page.title = words_of(events);
                self.page.sections.push(Section::default());
            }
            Some(Event::Start(Tag::Heading { level, .. })) => self.heading(*level, events),
            Some(Event::Start(Tag::CodeBlock(kind))) => {
                let info = match kind {
                    CodeBlockKind::Fenced(info) => info.as_ref(),
                    CodeBlockKind::Indented => "",
                };
                self.code(info, &words_of(events));
            }
            Some(Event::Start(Tag::Paragraph)) if self.page.lead.is_empty() => {
                html::push_html(&mut self.page.lead, events.iter().cloned());
                self.is_said(events);
            }
            Some(Event::Start(Tag::Table(_))) => {
                let name = self.page.headings.last().map_or(&self.page.title, |heading| &heading.title);
                let name = highlight::escaped(name);
                let text = self.text();
                text.push_str(&format!(
                    "<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"{name}\">"
                ));
                html::push_html(text, events.iter().cloned());
                text.push_str("</div>");
                self.is_said(events);
            }
            Some(Event::Start(Tag::BlockQuote(kind))) => {
                let class = if *kind == Some(BlockQuoteKind::Warning) { "note warning" } else { "note" };
                let label = self.words.note;
                let inner = events[1..events.len() - 1].iter().cloned();
                let text = self.text();
                text.push_str(&format!("<aside class=\"{class}\" aria-label=\"{label}\">"));
                html::push_html(text, inner);
                text.push_str("</aside>");
                self.is_said(events);
            }
            Some(_) => {
                html::push_html(self.text(), events.iter().cloned());
                self.is_said(events);
            }
            None => {}
        }
    }

    fn heading(&mut self, level: HeadingLevel, events: &[Event<'_>]) {
        let title = words_of(events);
        let anchor = anchor(&title);
        let level = if level == HeadingLevel::H2 { 2 } else { 3 };
        self.end_row();
        let mut inner = String::new();
        html::push_html(&mut inner, events[1..events.len() - 1].iter().cloned());
        let heading = format!("<h{level} id=\"{anchor}\"><a href=\"#{anchor}\">{inner}</a></h{level}>\n");
        self.row.text.push_str(&heading);
        let section = Section { anchor: anchor.clone(), heading: title.clone(), text: String::new() };
        self.page.sections.push(section);
        self.page.headings.push(Heading { level, anchor, title });
    }

    fn code(&mut self, info: &str, code: &str) {
        if !self.row.after.is_empty() {
            let text = std::mem::take(&mut self.row.after);
            self.end_row();
            self.row.text = text;
        }
        let mut info = info.split_whitespace();
        let language = info.next().unwrap_or("text");
        let html = highlight::html(language, code.trim_end());
        match SAMPLES.iter().find(|(tag, _)| *tag == language) {
            Some((language, name)) => {
                let sample = Sample { language, name, code: html };
                match self.row.pieces.last_mut() {
                    // A second one of the same language is another sample.
                    Some(Piece::Samples(samples)) if samples.iter().all(|one| one.language != *language) => {
                        samples.push(sample);
                    }
                    _ => self.row.pieces.push(Piece::Samples(vec![sample])),
                }
            }
            None => {
                let mut caption = match language {
                    "json" => self.words.answer.to_owned(),
                    "http" => "HTTP".to_owned(),
                    _ => String::new(),
                };
                for word in info {
                    let word = if word == "excerpt" { self.words.excerpt } else { word };
                    match word {
                        "webhook" => caption = "Webhook".to_owned(),
                        _ => caption.push_str(&format!(" · {word}")),
                    }
                }
                self.row.pieces.push(Piece::Shown { caption, code: html });
            }
        }
        self.say(code);
    }

    /// Where text goes.
    fn text(&mut self) -> &mut String {
        if self.row.pieces.is_empty() { &mut self.row.text } else { &mut self.row.after }
    }

    fn end_row(&mut self) {
        let row = std::mem::take(&mut self.row);
        if !row.text.is_empty() || !row.pieces.is_empty() {
            self.page.rows.push(row);
        }
    }

    fn is_said(&mut self, events: &[Event<'_>]) {
        let words = words_of(events);
        self.say(&words);
    }

    fn say(&mut self, words: &str) {
        if let Some(section) = self.page.sections.last_mut() {
            section.text.push_str(words.trim());
            section.text.push(' ');
        }
    }
}

/// `08-eventos.md#x` leads to the page that the file becomes.
fn with_own_links<'e>(words: &Language, event: Event<'e>) -> Event<'e> {
    match event {
        Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
            let (file, rest) = match dest_url.split_once('#') {
                Some((file, anchor)) => (file, format!("#{anchor}")),
                None => (dest_url.as_ref(), String::new()),
            };
            let dest_url = match file.strip_suffix(".md") {
                Some(name) => CowStr::from(format!("{}{rest}", path_of(words, name))),
                None => dest_url,
            };
            Event::Start(Tag::Link { link_type, dest_url, title, id })
        }
        other => other,
    }
}

fn words_of(events: &[Event<'_>]) -> String {
    let mut out = String::new();
    for event in events {
        match event {
            Event::Text(text) | Event::Code(text) => out.push_str(text),
            Event::SoftBreak | Event::HardBreak => out.push(' '),
            Event::End(TagEnd::TableCell | TagEnd::Item | TagEnd::Paragraph) => out.push(' '),
            _ => {}
        }
    }
    out
}

/// A title as a part of an address: plain small letters, digits and hyphens.
fn anchor(title: &str) -> String {
    let small = title.trim().to_lowercase();
    let plain = small.chars().filter_map(|c| match c {
        'á' => Some('a'),
        'é' => Some('e'),
        'í' => Some('i'),
        'ó' => Some('o'),
        'ú' | 'ü' => Some('u'),
        'ñ' => Some('n'),
        c if c.is_ascii_alphanumeric() => Some(c),
        ' ' | '-' | '_' | '.' => Some('-'),
        _ => None,
    });
    let plain: String = plain.collect();
    plain.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}
