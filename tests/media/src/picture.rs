//! Colourful things that move, as lavfi graphs: told apart at a glance, and free of fonts.
//!
//! Called by recipes; pure.

use std::time::Duration;

use rand::{Rng, rngs::StdRng};

use crate::recipe::pick;

/// Where the set's border has something to show at every depth.
const FRACTAL_PLACES: [(&str, &str); 4] =
    [("-0.7436", "-0.1318"), ("-0.1607", "-1.0376"), ("0.2925", "-0.0149"), ("-1.2515", "-0.3415")];
/// Top and bottom of the sky, the sun, and three ranges of hills from far to near: dawn, noon, dusk, autumn, ice.
const LANDSCAPES: [[u32; 6]; 6] = [
    [0x6f_a8_dc, 0xff_d9_b3, 0xff_f2_c2, 0xc9_a7_c7, 0x8e_7f_ad, 0x5b_5b_8c],
    [0x4f_a3_e3, 0xcf_ea_fb, 0xff_ff_f0, 0x9f_c9_b0, 0x5f_a5_78, 0x2f_7d_4f],
    [0x5b_4b_8a, 0xff_9a_76, 0xff_e0_a3, 0xb5_5d_7c, 0x7d_42_6e, 0x4b_2e_5b],
    [0x8e_c5_d6, 0xfb_e8_c8, 0xff_f6_d8, 0xe0_a4_58, 0xc4_6a_3a, 0x8a_3f_2b],
    [0x9f_b8_e0, 0xee_f4_fb, 0xff_ff_ff, 0xb9_d3_e8, 0x86_ad_cf, 0x54_7f_ab],
    [0x2f_86_8c, 0xf4_e3_b2, 0xff_fb_e6, 0x6f_b3_a0, 0x3f_8a_82, 0x1f_5f_66],
];
/// Hills are drawn no wider than this and grow again, which smooths their edges: each pixel costs some forty steps.
const LANDSCAPE_WIDTH: u32 = 320;
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
    let (name, graph) = match rng.random_range(0..16) {
        0 => ("test-card", test_card(&canvas, rng)),
        1 => ("life", life(&canvas, rng)),
        2..4 => ("fractal", fractal(&canvas, rng)),
        4..6 => ("plasma", plasma(&canvas, rng)),
        6..8 => ("ripples", ripples(&canvas, rng)),
        8..13 => ("hills", hills(&canvas, rng)),
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
         :inner=mincol,hue=h={}:s=1.2,eq=brightness=0.08",
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

/// A landscape wider than the picture, drawn once, along which the view moves.
fn hills(canvas: &Canvas, rng: &mut StdRng) -> String {
    let Canvas { width, height, rate } = canvas.shrunk(canvas.width.div_ceil(LANDSCAPE_WIDTH));
    let wide = width * 3 / 2;
    let [top, bottom, sun, ranges @ ..] = pick(&LANDSCAPES, rng);
    let (sun_x, sun_y) = (rng.random_range(width / 3..width), height / rng.random_range(3..6));
    let radius = height / rng.random_range(9..14);
    let mut edge = |share: &str| {
        let (long, short) = (rng.random_range(30..60), rng.random_range(9..17));
        let phase = rng.random_range(0..7);
        format!("H*({share}+0.06*sin(X/{long}+{phase})+0.02*sin(X/{short}+{phase}))")
    };
    let edges = [edge("0.52"), edge("0.66"), edge("0.82")];
    let channel = |shift: u32| {
        let of = |colour: u32| (colour >> shift) & 0xff;
        let sky = format!("{}+({}-{})*min(1,Y/H/0.6)", of(top), of(bottom), of(top));
        let disc = format!("if(lt(hypot(X-{sun_x},Y-{sun_y}),{radius}),{},{sky})", of(sun));
        edges
            .iter()
            .zip(ranges)
            .fold(disc, |behind, (edge, range)| format!("if(gt(Y,{edge}),{},{behind})", of(range)))
    };
    format!(
        "nullsrc=s={wide}x{height}:r={rate},trim=end_frame=1,geq=r='{}':g='{}':b='{}',\
         scale={}:{}:flags=bicubic,loop=loop=-1:size=1:start=0,\
         crop={}:{}:'(in_w-out_w)*(0.5-0.5*cos(t/3))':0",
        channel(16),
        channel(8),
        channel(0),
        canvas.width * 3 / 2,
        canvas.height,
        canvas.width,
        canvas.height
    )
}

/// A wave in each colour, in directions and of lengths of their own.
fn plasma(canvas: &Canvas, rng: &mut StdRng) -> String {
    let mut length = || rng.random_range(9..22);
    format!(
        "nullsrc={},geq=r=160+70*sin(X/{}+T):g=140+60*sin(Y/{}+2*T)\
         :b=170+70*sin((X+Y)/{}-T),{}",
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
    let length = rng.random_range(5..12);
    let wave = format!("sqrt((X-{x})*(X-{x})+(Y-{y})*(Y-{y}))/{length}-4*T");
    format!(
        "nullsrc={},geq=r=170+60*sin({wave}):g=150+60*sin({wave}+1):b=160+60*sin({wave}+3),\
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
