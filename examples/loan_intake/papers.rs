//! What the client has at home: papers that are made up, of the kinds that are asked for.

use std::collections::BTreeMap;

use docvault::intake::Date;

pub(crate) const NAME: &str = "Juana Pérez Xolalpa";

/// What is asked for by the link; the consent to a credit report comes on paper.
pub(crate) const ASKED: [&str; 9] = [
    "application",
    "bank_statements",
    "official_id",
    "payout_account",
    "payslips",
    "privacy_notice",
    "proof_of_address",
    "selfie",
    "tax_status",
];

/// A file on the telephone.
#[derive(Debug, Clone)]
pub(crate) struct Paper {
    pub(crate) name: String,
    pub(crate) media_type: &'static str,
    pub(crate) bytes: Vec<u8>,
}

/// What is handed in for one requirement.
#[derive(Debug, Clone)]
pub(crate) struct Envelope {
    pub(crate) requirement: &'static str,
    pub(crate) papers: Vec<Paper>,
    pub(crate) answers: BTreeMap<String, String>,
    pub(crate) remark: &'static str,
}

impl Envelope {
    pub(crate) fn of(requirement: &'static str, papers: Vec<Paper>) -> Self {
        Self { requirement, papers, answers: BTreeMap::new(), remark: "" }
    }

    fn answers(mut self, answers: &[(&str, &str)]) -> Self {
        self.answers.extend(answers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        self
    }

    /// When its document was issued.
    pub(crate) fn issued(self, day: Date) -> Self {
        self.answers(&[("@issued", &day.to_string())])
    }

    fn valid_until(self, day: Date) -> Self {
        self.answers(&[("@valid-until", &day.to_string())])
    }

    fn remark(mut self, remark: &'static str) -> Self {
        self.remark = remark;
        self
    }
}

pub(crate) fn photograph(name: &str, len: usize) -> Paper {
    let filler = (0u32..).flat_map(|i| i.wrapping_mul(2_654_435_761).to_be_bytes());
    let bytes = [0xff, 0xd8, 0xff, 0xe0].into_iter().chain(filler).take(len).collect();
    Paper { name: name.into(), media_type: "image/jpeg", bytes }
}

pub(crate) fn pdf(name: &str) -> Paper {
    let bytes = format!("%PDF-1.7\n% {name}\n% {NAME}\n{}%%EOF\n", "% .\n".repeat(4_000)).into_bytes();
    Paper { name: name.into(), media_type: "application/pdf", bytes }
}

/// Everything at first; one file is not what it is called, and one will be found illegible.
pub(crate) fn everything(today: Date) -> Vec<Envelope> {
    let screenshot = Paper { media_type: "application/pdf", ..photograph("constancia.pdf", 90_000) };
    let three = |name: &str| (1..=3).map(|month| pdf(&format!("{name} {month}.pdf"))).collect();
    vec![
        Envelope::of("application", Vec::new()).answers(&APPLICATION),
        Envelope::of("privacy_notice", Vec::new()).answers(&[("read", "true"), ("consents", "true")]),
        Envelope::of(
            "official_id",
            vec![photograph("INE frente.jpg", 1_300_000), photograph("INE reverso.jpg", 1_200_000)],
        )
        .valid_until(today.plus_months(60)),
        Envelope::of("selfie", vec![photograph("yo con mi INE.jpg", 800_000)])
            .remark("Sin lentes, como piden."),
        Envelope::of("proof_of_address", vec![photograph("recibo de luz.jpg", 600_000)])
            .issued(today.minus_days(40)),
        Envelope::of("tax_status", vec![screenshot]).issued(today.minus_days(3)),
        Envelope::of("payslips", three("nómina")).issued(today.minus_days(5)),
        Envelope::of("bank_statements", three("estado de cuenta")).issued(today.minus_days(20)),
        Envelope::of("payout_account", vec![pdf("carátula.pdf")])
            .answers(&[("bank", "Banco Ejemplo"), ("clabe", "012345678901234567")]),
    ]
}

pub(crate) fn corrected(today: Date) -> Vec<Envelope> {
    vec![
        Envelope::of("tax_status", vec![pdf("constancia del SAT.pdf")]).issued(today.minus_days(1)),
        Envelope::of("proof_of_address", vec![photograph("recibo completo.jpg", 700_000)])
            .issued(today.minus_days(40)),
    ]
}

const APPLICATION: [(&str, &str); 13] = [
    ("full_name", NAME),
    ("birth_date", "1985-01-01"),
    ("curp", "PEXJ850101MDFRLN09"),
    ("rfc", "PEXJ850101AB1"),
    ("phone", "+525512345678"),
    ("email", "juana@example.com"),
    ("marital_status", "single"),
    ("employment", "employee"),
    ("monthly_income", "25000.00"),
    ("amount", "120000"),
    ("months", "24"),
    ("has_guarantor", "false"),
    ("is_exposed", "false"),
];
