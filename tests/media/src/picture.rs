//! Colourful things that move, as lavfi graphs: told apart at a glance, and free of fonts.
//!
//! Called by recipes; pure.

use std::time::Duration;

use rand::{Rng, rngs::StdRng};

use crate::recipe::pick;

/// Where the set's border has something to show at every depth.
const FRACTAL_PLACES: [(&str, &str); 4] =
    [("-0.7436", "-0.1318"), ("-0.1607", "-1.0376"), ("0.2925", "-0.0149"), ("-1.2515", "-0.3415")];
/// Patterns of formulas are computed so much smaller in each direction, for each pixel costs three.
const FORMULA_SHRINK: u32 = 8;
/// Cells are drawn larger than a pixel so that a still shows them.
const CELL: u32 = 4;

struct Canvas {
    width: u32,
    height: u32,
    rate: u32,
}

impl Canvas {
    fn options(&self) -> String {
        format!("s={}x{}:r={}", self.width, self.height, self.rate)
    }

    fn shrunk(&self, by: u32) -> Self {
        Self { width: self.width / by, height: self.height / by, rate: self.rate }
    }

    fn scale(&self, how: &str) -> String {
        format!("scale={}:{}:flags={how}", self.width, self.height)
    }
}

/// A picture's name, and the graph that draws it.
pub(crate) fn of(
    (width, height): (u32, u32),
    rate: u32,
    length: Duration,
    rng: &mut StdRng,
) -> (&'static str, String) {
    let canvas = Canvas { width, height, rate };
    let (name, graph) = match rng.random_range(0..7) {
        0 => ("test-card", test_card(&canvas, rng)),
        1 => ("fractal", fractal(&canvas, rng)),
        2 => ("life", life(&canvas, rng)),
        3 => ("bars", bars(&canvas, rng)),
        4 => ("plasma", plasma(&canvas, rng)),
        5 => ("ripples", ripples(&canvas, rng)),
        _ => ("gradient", gradient(&canvas, rng)),
    };
    // A moment more than wanted: the encoder is told where to stop.
    (name, format!("{graph},trim=duration={}", length.as_secs_f64() + 1.0))
}

/// Its clock tells frames apart.
fn test_card(canvas: &Canvas, rng: &mut StdRng) -> String {
    format!("testsrc2={},hue=h={}", canvas.options(), hue(rng))
}

fn fractal(canvas: &Canvas, rng: &mut StdRng) -> String {
    let (x, y) = pick(&FRACTAL_PLACES, rng);
    let depth = pick(&["0.2", "0.05", "0.02"], rng);
    format!(
        "mandelbrot={}:start_x={x}:start_y={y}:start_scale={depth}:end_scale=0.001:maxiter=400\
         :inner=mincol,hue=h={}:s=2,eq=brightness=0.08",
        canvas.options(),
        hue(rng)
    )
}

fn life(canvas: &Canvas, rng: &mut StdRng) -> String {
    format!(
        "life={}:ratio=0.3:seed={}:mold=12:life_color={}:death_color={}:mold_color={},{}",
        canvas.shrunk(CELL).options(),
        rng.random::<u16>(),
        colour(rng),
        colour(rng),
        colour(rng),
        canvas.scale("neighbor")
    )
}

fn bars(canvas: &Canvas, rng: &mut StdRng) -> String {
    format!("smptehdbars={},hue=h={}", canvas.options(), hue(rng))
}

/// A wave in each colour, in directions and of lengths of their own.
fn plasma(canvas: &Canvas, rng: &mut StdRng) -> String {
    let mut length = || rng.random_range(4..12);
    format!(
        "nullsrc={},geq=r=128+127*sin(X/{}+T):g=128+127*sin(Y/{}+2*T)\
         :b=128+127*sin((X+Y)/{}-T),{}",
        canvas.shrunk(FORMULA_SHRINK).options(),
        length(),
        length(),
        length(),
        canvas.scale("bicubic")
    )
}

fn ripples(canvas: &Canvas, rng: &mut StdRng) -> String {
    let small = canvas.shrunk(FORMULA_SHRINK);
    let (x, y) = (rng.random_range(0..small.width), rng.random_range(0..small.height));
    let length = rng.random_range(3..8);
    let wave = format!("sqrt((X-{x})*(X-{x})+(Y-{y})*(Y-{y}))/{length}-4*T");
    format!(
        "nullsrc={},geq=r=160+90*sin({wave}):g=120+90*sin({wave}+1):b=140+90*sin({wave}+3),\
         hue=h={},{}",
        small.options(),
        hue(rng),
        canvas.scale("bicubic")
    )
}

fn gradient(canvas: &Canvas, rng: &mut StdRng) -> String {
    format!(
        "gradients={}:n=4:c0={}:c1={}:c2={}:c3={}:seed={}:speed=0.05",
        canvas.options(),
        colour(rng),
        colour(rng),
        colour(rng),
        colour(rng),
        rng.random::<u16>()
    )
}

fn hue(rng: &mut StdRng) -> u32 {
    rng.random_range(0..360)
}

/// Two channels are at least middling, or a still of it could pass for a black one.
fn colour(rng: &mut StdRng) -> String {
    let mut channels =
        [rng.random_range(0..=255u8), rng.random_range(96..=255u8), rng.random_range(96..=255u8)];
    channels.rotate_left(rng.random_range(0..3));
    let [red, green, blue] = channels;
    format!("0x{red:02x}{green:02x}{blue:02x}")
}
