//! Options as a plan has them: by name, whatever they come from.

/// Gives an option by its name.
///
/// # Errors
/// Each of its methods: there is no such option, or it is of another type.
pub trait Options {
    fn text(&self, name: &'static str) -> Result<String, Refused>;
    fn flag(&self, name: &'static str) -> Result<bool, Refused>;
    fn size(&self, name: &'static str) -> Result<usize, Refused>;
    /// None where the option is not given.
    fn size_if_any(&self, name: &'static str) -> Result<Option<usize>, Refused>;
    fn flags(&self, name: &'static str) -> Result<Vec<bool>, Refused>;
    fn pairs(&self, name: &'static str) -> Result<Vec<(String, String)>, Refused>;
}

/// Why an option is not accepted, as a sentence.
#[derive(Debug)]
pub struct Refused(pub String);

impl Refused {
    /// A word that is none of those allowed.
    pub fn unknown(name: &str, value: &str) -> Self {
        Refused(format!("plan.{name}: unknown value {value:?}"))
    }
}

/// What the word of an option stands for.
pub fn one_of<T: Copy>(options: &dyn Options, name: &'static str, words: &[(&str, T)]) -> Result<T, Refused> {
    let value = options.text(name)?;
    let found = words.iter().find(|(word, _)| *word == value);
    found.map(|(_, meaning)| *meaning).ok_or_else(|| Refused::unknown(name, &value))
}

/// An option that is one byte.
pub fn one_byte(options: &dyn Options, name: &'static str) -> Result<u8, Refused> {
    let value = options.text(name)?;
    match value.as_bytes() {
        [byte] => Ok(*byte),
        _ => Err(Refused(format!("{name} must be one byte, got {value:?}"))),
    }
}
