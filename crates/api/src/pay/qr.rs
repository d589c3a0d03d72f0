//! The QR code of the page's address: error correction M, a quiet zone of four modules (ISO/IEC 18004), as SVG and as
//! PNG of one bit a pixel.

use std::fmt::Write as _;

use fast_qr::{ECL, QRBuilder};

/// Modules of white around the code.
const QUIET: usize = 4;

/// A QR code.
pub(super) struct Qr {
    /// Rows of modules, true where dark; without the quiet zone.
    rows: Vec<Vec<bool>>,
}

impl Qr {
    /// The code of an address; `None` when no code is large enough for it.
    pub(super) fn of(address: &str) -> Option<Qr> {
        let code = QRBuilder::new(address).ecl(ECL::M).build().ok()?;
        let row = |index: usize| code[index].iter().map(|module| module.value()).collect();
        Some(Qr { rows: (0..code.size).map(row).collect() })
    }

    /// Modules of a side, quiet zone included.
    pub(super) fn side(&self) -> usize {
        self.rows.len() + 2 * QUIET
    }

    /// The dark modules as the data of one path: each run of a row is a rectangle.
    pub(super) fn path(&self) -> String {
        let mut path = String::new();
        for (y, row) in self.rows.iter().enumerate() {
            let mut x = 0;
            for run in row.chunk_by(|left, right| left == right) {
                if run[0] {
                    // Writing to a text can not fail.
                    let _ = write!(path, "M{} {}h{}v1h-{}z", x + QUIET, y + QUIET, run.len(), run.len());
                }
                x += run.len();
            }
        }
        path
    }

    /// An image of its own, so many pixels wide until somebody scales it.
    pub(super) fn svg(&self, pixels: u16) -> String {
        let (side, path) = (self.side(), self.path());
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{pixels}\" height=\"{pixels}\" \
             viewBox=\"0 0 {side} {side}\" shape-rendering=\"crispEdges\">\
             <path fill=\"#fff\" d=\"M0 0h{side}v{side}H0z\"/><path d=\"{path}\"/></svg>"
        )
    }

    /// A PNG of exactly so many pixels. Modules are whole pixels; what is left over widens the quiet zone.
    pub(super) fn png(&self, pixels: u16) -> Option<Vec<u8>> {
        let width = usize::from(pixels).max(self.side());
        let scale = width / self.side();
        let margin = (width - scale * self.rows.len()) / 2;
        let row_bytes = width.div_ceil(8);
        let mut image = Vec::with_capacity(row_bytes * width);
        for y in 0..width {
            let mut line = vec![0xff_u8; row_bytes];
            for x in (0..width).filter(|x| self.is_dark(*x, y, margin, scale)) {
                line[x / 8] &= !(0x80 >> (x % 8));
            }
            image.extend_from_slice(&line);
        }
        let side = u32::try_from(width).ok()?;
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, side, side);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::One);
        encoder.write_header().ok()?.write_image_data(&image).ok()?;
        Some(file)
    }

    fn is_dark(&self, x: usize, y: usize, margin: usize, scale: usize) -> bool {
        let module = |place: usize| place.checked_sub(margin).map(|inside| inside / scale);
        let row = module(y).and_then(|y| self.rows.get(y));
        row.zip(module(x)).and_then(|(row, x)| row.get(x)).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::Qr;

    const ADDRESS: &str = "https://pagos.kashio.net/pay/pR3mXw9TzKc7VbNq5Yd2Hs";

    #[test]
    fn a_png_is_as_large_as_asked_for_and_keeps_its_quiet_zone() {
        let qr = Qr::of(ADDRESS).unwrap();
        for pixels in [100, 150, 333, 1_000] {
            let png = qr.png(pixels).unwrap();
            let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
            let mut image = vec![0; reader.output_buffer_size().unwrap()];
            let info = reader.next_frame(&mut image).unwrap();
            assert_eq!((info.width, info.height), (pixels.into(), pixels.into()));
            let (row, scale) = (info.line_size, usize::from(pixels) / qr.side());
            // Four modules of white above, then the dark corner of the finder.
            assert!(image[..4 * scale * row].iter().all(|byte| *byte == 0xff), "{pixels}");
            assert!(image.iter().any(|byte| *byte != 0xff));
        }
    }

    #[test]
    fn the_path_draws_each_dark_module_once() {
        let qr = Qr::of(ADDRESS).unwrap();
        let dark: usize = qr.rows.iter().flatten().filter(|dark| **dark).count();
        let path = qr.path();
        let runs = path
            .split('M')
            .skip(1)
            .map(|run| run.split_once('h').unwrap().1.split_once('v').unwrap().0.parse::<usize>().unwrap());
        assert_eq!(runs.sum::<usize>(), dark);
        assert!(path.len() < 6_000, "{}", path.len());
    }

    #[test]
    fn the_longest_address_that_may_be_configured_has_a_code() {
        let qr = Qr::of(&format!("https://{}.pe/pay/pR3mXw9TzKc7VbNq5Yd2Hs", "pagos.".repeat(40))).unwrap();
        assert!(qr.png(100).is_some());
    }
}
