//! What `/docs` says around the document, in both of its languages: the document itself brings its own.

use wire::problem::Language;

/// The words of one language.
pub(super) struct Words {
    /// Its tag (BCP 47).
    pub(super) tag: &'static str,
    /// The page in the other language: its address, its tag and its name there.
    pub(super) other: (&'static str, &'static str, &'static str),
    /// The guide in this language.
    pub(super) guide: (&'static str, &'static str),
    pub(super) title: &'static str,
    pub(super) skip: &'static str,
    pub(super) main: &'static str,
    pub(super) contents: &'static str,
    pub(super) version: &'static str,
    pub(super) base: &'static str,
    pub(super) introduction: &'static str,
    pub(super) start: &'static str,
    pub(super) reference: &'static str,
    pub(super) required: &'static str,
    pub(super) body: &'static str,
    pub(super) or: &'static str,
    pub(super) parameters: &'static str,
    pub(super) answers: &'static str,
    pub(super) headers: &'static str,
    pub(super) request: &'static str,
    pub(super) answer: &'static str,
    pub(super) objects: &'static str,
    pub(super) objects_why: &'static str,
    pub(super) values: &'static str,
    pub(super) codes: &'static str,
    pub(super) codes_why: &'static str,
    pub(super) status: &'static str,
    pub(super) code: &'static str,
    pub(super) meaning: &'static str,
    pub(super) help: &'static str,
    /// Around the name of a header.
    pub(super) help_with: [&'static str; 2],
    /// What stands before the codes of an answer, in the document.
    pub(super) codes_follow: &'static str,
    /// Where a parameter goes: path, query, header.
    pub(super) places: [&'static str; 3],
    /// What a value is: text, integer, number, boolean, object, and what a list is of.
    pub(super) kinds: [&'static str; 6],
    /// Between two limits of a text's length, and before one.
    pub(super) lengths: [&'static str; 2],
    /// The unit of a text's length.
    pub(super) characters: &'static str,
    /// Before a number's lower limit, between both, and before the only one.
    pub(super) ranges: [&'static str; 3],
    /// Before what is taken when nothing is given.
    pub(super) missing: &'static str,
}

impl Words {
    pub(super) const fn of(language: Language) -> &'static Words {
        match language {
            Language::Es => &SPANISH,
            Language::En => &ENGLISH,
        }
    }
}

static SPANISH: Words = Words {
    tag: "es",
    other: ("/docs?lang=en", "en", "English"),
    guide: ("/docs/guide/", "Guía"),
    title: "Documentación",
    skip: "Ir al contenido",
    main: "Principal",
    contents: "Contenido",
    version: "versión",
    base: "Dirección base",
    introduction: "Introducción",
    start: "Inicio",
    reference: "Referencia",
    required: "obligatorio",
    body: "Cuerpo",
    or: "o",
    parameters: "Parámetros",
    answers: "Respuestas",
    headers: "Cabeceras",
    request: "Solicitud",
    answer: "Respuesta",
    objects: "Objetos",
    objects_why: "Cada campo, con su tipo y sus límites.",
    values: "Valores",
    codes: "Códigos de error",
    codes_why: "Son estables: un código puede agregarse, nunca cambiar de significado.",
    status: "Estado",
    code: "Código",
    meaning: "Significado",
    help: "¿Algo no queda claro? Escriba a",
    help_with: ["con el", "de la respuesta."],
    codes_follow: " Códigos:",
    places: ["ruta", "consulta", "cabecera"],
    kinds: ["texto", "entero", "número", "booleano", "objeto", "lista de "],
    lengths: ["a", "hasta"],
    characters: "caracteres",
    ranges: ["de", "a", "desde"],
    missing: "si falta,",
};

static ENGLISH: Words = Words {
    tag: "en",
    other: ("/docs?lang=es", "es", "Español"),
    guide: ("/docs/guide/en/", "Guide"),
    title: "Documentation",
    skip: "Skip to content",
    main: "Main",
    contents: "Contents",
    version: "version",
    base: "Base address",
    introduction: "Introduction",
    start: "Start",
    reference: "Reference",
    required: "required",
    body: "Body",
    or: "or",
    parameters: "Parameters",
    answers: "Answers",
    headers: "Headers",
    request: "Request",
    answer: "Answer",
    objects: "Objects",
    objects_why: "Each field, with its type and its limits.",
    values: "Values",
    codes: "Error codes",
    codes_why: "They are stable: a code may be added, and never changes its meaning.",
    status: "Status",
    code: "Code",
    meaning: "Meaning",
    help: "Is something not clear? Write to",
    help_with: ["with the", "of the answer."],
    codes_follow: " Codes:",
    places: ["path", "query", "header"],
    kinds: ["text", "integer", "number", "boolean", "object", "list of "],
    lengths: ["to", "up to"],
    characters: "characters",
    ranges: ["from", "to", "from"],
    missing: "if missing,",
};
