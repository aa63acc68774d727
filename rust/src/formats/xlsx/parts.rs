//! The parts of a workbook that are not rows (ECMA-376 part 1, 12.3.23, 18.2 and 18.8; part 2 for the package).

use std::fmt::Write as _;

use super::cell::width;
use super::text::header_cell;
use crate::types::Column;

const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n";
const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
const RELATIONSHIPS: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const PACKAGE: &str = "http://schemas.openxmlformats.org/package/2006";
const CONTENT_TYPE: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml";
/// UTF-16 units of the name of a sheet, at most.
const MOST_NAME_UNITS: usize = 31;
/// Characters that a column is wide at most.
const MOST_WIDTH: usize = 60;

pub(super) const RELS_NAME: &str = "_rels/.rels";
pub(super) const STYLES_NAME: &str = "xl/styles.xml";
pub(super) const WORKBOOK_NAME: &str = "xl/workbook.xml";
pub(super) const WORKBOOK_RELS_NAME: &str = "xl/_rels/workbook.xml.rels";
pub(super) const CONTENT_TYPES_NAME: &str = "[Content_Types].xml";
/// What the names of all sheets' parts begin with.
pub(super) const SHEETS: &str = "xl/worksheets/sheet";

/// The styles of cells by their number: 0 nothing, 1 the name of a column, 2 date, 3 and 4 timestamp, 5 and 6 time,
/// each without and with milliseconds, 7 text that would be a formula if it were typed.
pub(super) const STYLES: &str = concat!(
    "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n",
    "<styleSheet xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\">",
    "<numFmts count=\"5\">",
    "<numFmt numFmtId=\"164\" formatCode=\"yyyy\\-mm\\-dd\"/>",
    "<numFmt numFmtId=\"165\" formatCode=\"yyyy\\-mm\\-dd\\ hh:mm:ss\"/>",
    "<numFmt numFmtId=\"166\" formatCode=\"yyyy\\-mm\\-dd\\ hh:mm:ss.000\"/>",
    "<numFmt numFmtId=\"167\" formatCode=\"hh:mm:ss\"/>",
    "<numFmt numFmtId=\"168\" formatCode=\"hh:mm:ss.000\"/>",
    "</numFmts>",
    "<fonts count=\"2\"><font><sz val=\"11\"/><name val=\"Calibri\"/><family val=\"2\"/></font>",
    "<font><b/><sz val=\"11\"/><name val=\"Calibri\"/><family val=\"2\"/></font></fonts>",
    "<fills count=\"2\"><fill><patternFill patternType=\"none\"/></fill>",
    "<fill><patternFill patternType=\"gray125\"/></fill></fills>",
    "<borders count=\"1\"><border><left/><right/><top/><bottom/><diagonal/></border></borders>",
    "<cellStyleXfs count=\"1\"><xf numFmtId=\"0\" fontId=\"0\" fillId=\"0\" borderId=\"0\"/></cellStyleXfs>",
    "<cellXfs count=\"8\">",
    "<xf numFmtId=\"0\" fontId=\"0\" fillId=\"0\" borderId=\"0\" xfId=\"0\"/>",
    "<xf numFmtId=\"0\" fontId=\"1\" fillId=\"0\" borderId=\"0\" xfId=\"0\" applyFont=\"1\"/>",
    "<xf numFmtId=\"164\" fontId=\"0\" fillId=\"0\" borderId=\"0\" xfId=\"0\" applyNumberFormat=\"1\"/>",
    "<xf numFmtId=\"165\" fontId=\"0\" fillId=\"0\" borderId=\"0\" xfId=\"0\" applyNumberFormat=\"1\"/>",
    "<xf numFmtId=\"166\" fontId=\"0\" fillId=\"0\" borderId=\"0\" xfId=\"0\" applyNumberFormat=\"1\"/>",
    "<xf numFmtId=\"167\" fontId=\"0\" fillId=\"0\" borderId=\"0\" xfId=\"0\" applyNumberFormat=\"1\"/>",
    "<xf numFmtId=\"168\" fontId=\"0\" fillId=\"0\" borderId=\"0\" xfId=\"0\" applyNumberFormat=\"1\"/>",
    "<xf numFmtId=\"49\" fontId=\"0\" fillId=\"0\" borderId=\"0\" xfId=\"0\" quotePrefix=\"1\" applyNumberFormat=\"1\"/>",
    "</cellXfs>",
    "<cellStyles count=\"1\"><cellStyle name=\"Normal\" xfId=\"0\" builtinId=\"0\"/></cellStyles>",
    "</styleSheet>",
);

/// What the sheets of an export have in common.
#[derive(Debug)]
pub(super) struct Layout {
    name: String,
    /// The letters of the last column.
    last_column: String,
    /// Widths of the columns, and the header.
    columns: Vec<u8>,
}

impl Layout {
    /// `name` is that of the first sheet.
    pub(super) fn new(name: &str, columns: &[Column]) -> Self {
        Layout { name: name.to_owned(), last_column: letters(columns.len()), columns: head(columns) }
    }

    /// What comes before the first row of a sheet, its header included.
    pub(super) fn before_rows(&self, first: bool) -> Vec<u8> {
        let selected = if first { " tabSelected=\"1\"" } else { "" };
        let start = format!(
            "{DECLARATION}<worksheet xmlns=\"{MAIN}\"><sheetViews><sheetView{selected} workbookViewId=\"0\">\
             <pane ySplit=\"1\" topLeftCell=\"A2\" activePane=\"bottomLeft\" state=\"frozen\"/></sheetView></sheetViews>"
        );
        [start.as_bytes(), &self.columns].concat()
    }

    /// What comes after the last of so many rows.
    pub(super) fn after_rows(&self, rows: u32) -> Vec<u8> {
        let (column, last) = (&self.last_column, u64::from(rows) + 1);
        format!("</sheetData><autoFilter ref=\"A1:{column}{last}\"/></worksheet>").into_bytes()
    }

    /// `xl/workbook.xml`; `rows` are those of each sheet.
    pub(super) fn workbook(&self, rows: &[u32]) -> Vec<u8> {
        let (mut sheets, mut filters) = (String::new(), String::new());
        for (index, rows) in rows.iter().enumerate() {
            let (number, name) = (index + 1, escaped(&sheet_name(&self.name, index + 1)));
            let (quoted, column, last) = (name.replace('\'', "''"), &self.last_column, u64::from(*rows) + 1);
            // Writing to a String does not fail.
            let _ = write!(sheets, "<sheet name=\"{name}\" sheetId=\"{number}\" r:id=\"rId{number}\"/>");
            let _ = write!(
                filters,
                "<definedName name=\"_xlnm._FilterDatabase\" localSheetId=\"{index}\" hidden=\"1\">\
                 '{quoted}'!$A$1:${column}${last}</definedName>"
            );
        }
        format!(
            "{DECLARATION}<workbook xmlns=\"{MAIN}\" xmlns:r=\"{RELATIONSHIPS}\"><bookViews><workbookView/></bookViews>\
             <sheets>{sheets}</sheets><definedNames>{filters}</definedNames></workbook>"
        )
        .into_bytes()
    }
}

/// The part of the sheet with that number, from 1.
pub(super) fn sheet_part(number: usize) -> String {
    format!("{SHEETS}{number}.xml")
}

/// `_rels/.rels`.
pub(super) fn rels() -> Vec<u8> {
    format!(
        "{DECLARATION}<Relationships xmlns=\"{PACKAGE}/relationships\"><Relationship Id=\"rId1\" \
         Type=\"{RELATIONSHIPS}/officeDocument\" Target=\"{WORKBOOK_NAME}\"/></Relationships>"
    )
    .into_bytes()
}

/// `xl/_rels/workbook.xml.rels`.
pub(super) fn workbook_rels(sheets: usize) -> Vec<u8> {
    let mut entries = String::new();
    for number in 1..=sheets {
        let _ = write!(
            entries,
            "<Relationship Id=\"rId{number}\" Type=\"{RELATIONSHIPS}/worksheet\" Target=\"/{}\"/>",
            sheet_part(number)
        );
    }
    let styles = sheets + 1;
    format!(
        "{DECLARATION}<Relationships xmlns=\"{PACKAGE}/relationships\">{entries}<Relationship Id=\"rId{styles}\" \
         Type=\"{RELATIONSHIPS}/styles\" Target=\"/{STYLES_NAME}\"/></Relationships>"
    )
    .into_bytes()
}

/// `[Content_Types].xml`.
pub(super) fn content_types(sheets: usize) -> Vec<u8> {
    let mut entries = String::new();
    for number in 1..=sheets {
        let _ = write!(
            entries,
            "<Override PartName=\"/{}\" ContentType=\"{CONTENT_TYPE}.worksheet+xml\"/>",
            sheet_part(number)
        );
    }
    format!(
        "{DECLARATION}<Types xmlns=\"{PACKAGE}/content-types\"><Default Extension=\"rels\" \
         ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/>\
         <Default Extension=\"xml\" ContentType=\"application/xml\"/>\
         <Override PartName=\"/{WORKBOOK_NAME}\" ContentType=\"{CONTENT_TYPE}.sheet.main+xml\"/>\
         <Override PartName=\"/{STYLES_NAME}\" ContentType=\"{CONTENT_TYPE}.styles+xml\"/>{entries}</Types>"
    )
    .into_bytes()
}

/// Widths of the columns, and the header.
fn head(columns: &[Column]) -> Vec<u8> {
    let mut out = b"<cols>".to_vec();
    for (number, column) in (1..).zip(columns) {
        // Room for the arrow of the filter.
        let width = width(column.kind).max(column.target.chars().count() + 4).min(MOST_WIDTH);
        let entry = format!("<col min=\"{number}\" max=\"{number}\" width=\"{width}\" customWidth=\"1\"/>");
        out.extend_from_slice(entry.as_bytes());
    }
    out.extend_from_slice(b"</cols><sheetData><row>");
    for column in columns {
        header_cell(&column.target, &mut out);
    }
    out.extend_from_slice(b"</row>");
    out
}

/// The letters of a column, from 1: `A` to `Z`, then `AA`.
fn letters(column: usize) -> String {
    let mut letters = Vec::new();
    let mut rest = column;
    while rest > 0 {
        // Below 26.
        letters.push(char::from(b'A' + ((rest - 1) % 26) as u8));
        rest = (rest - 1) / 26;
    }
    letters.iter().rev().collect()
}

/// The name of the sheet with that number, from 1: what follows the first one has its number behind the name.
fn sheet_name(name: &str, number: usize) -> String {
    if number == 1 {
        return name.to_owned();
    }
    let suffix = format!(" ({number})");
    let room = MOST_NAME_UNITS.saturating_sub(suffix.len());
    let mut units = 0;
    let fits = name.chars().take_while(|c| {
        units += c.len_utf16();
        units <= room
    });
    fits.collect::<String>() + &suffix
}

/// Text for an element or an attribute.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_have_letters() {
        for (column, expected) in [(1, "A"), (26, "Z"), (27, "AA"), (702, "ZZ"), (703, "AAA"), (16_384, "XFD")] {
            assert_eq!(letters(column), expected);
        }
    }

    #[test]
    fn names_of_sheets_are_short_and_differ() {
        assert_eq!(sheet_name("orders", 1), "orders");
        assert_eq!(sheet_name("orders", 2), "orders (2)");
        let long = "😀".repeat(15);
        assert_eq!(sheet_name(&long, 10), "😀".repeat(13) + " (10)");
    }
}
