"""What real models call the languages: the names in their language tokens, each list as its source has it.

NLLB-200's and M2M-100's stand in transformers.
"""

from typing import Final


def _names(text: str) -> list[str]:
    return text.split()


MADLAD: Final = _names("""
abt ace ace_Arab acf ada adh ady af agr ahk ak akb alt alz am amu an ang ann ape ar arn ary arz as av awa ay az az_RU
ba ban bar bas bbc bci be ber ber_Latn bew bg bg_Latn bgp bho bi bik bim bjn bjn_Arab bm bn bn_Latn bo bqc br bru brx
bs bts btx bua bug bum bus bzj ca cab cac cak cbk cce ce ceb cfm ch chk chm chr ckb cnh co cr_Latn crh crh_Latn crs cs
ctd_Latn ctu cuk cv cy da de din dje djk dln doi dov dtp dv dwr dyu dz ee el el_Latn emp en enq eo es et eu fa ff ffm
fi fil fip fj fo fon fr fr_CA frp fur fuv fy ga gag gbm gd gl gn gof gom gom_Latn gor grc gsw gu gu_Latn gub guc guh
gui gv gvl gym ha haw he hi hi_Latn hif hil hmn hne ho hr ht hu hui hus hvn hy iba ibb id ify ig ilo inb io is iso it
iu ium izz ja jac jam jiv jv jvn ka kaa kaa_Latn kac kbd kbp kek kg kha kj kjg kjh kk kl km kmb kmz_Latn kn kn_Latn
knj ko koi kos kr kr_Arab krc kri ks ks_Deva ksd ksw ktu ku kum kv kw kwi ky la laj lb lg lhu li lij lmo ln lo lrc lt
ltg lu lus lv mad mag mai mak mam mas maz mbt mdf meo meu mfe mg mgh mh mi min miq mk mkn ml ml_Latn mn mni mps mqy mr
mrj mrw ms ms_Arab ms_Arab_BN msb msi msm mt mwl my myv nan_Latn_TW ndc_ZW nds nds_NL ne new ngu nhe nia nij niq nl nn
nnb no noa nog nr nso nus nut nv ny nyu nzi oc oj om or os otq pa pag pap pau pck pis pl pon ppk prs ps pt qu qub quc
quf quh qup quy qvc qvi qvz qxr raj rcf rki rm rmc rn ro rom ru ru_Latn rw rwo sa sah sat_Latn sc scn sd sda se seh sg
sh shn shp si sja sk skr sl sm smt sn so spp sq sr srm srn ss st stq su sus suz sv sw sxn syr szl ta ta_Latn tab taj
taq taq_Tfng tbz tca tcy tdx te te_Latn teo tet tg th ti tiv tk tks tlh tll tly_IR tn to toj tr trp ts tsc tsg tt tuc
tvl twu tyv tyz tzh tzj tzm tzo ubu udm ug uk ur uz ve vec vi wa wal war wo wuu xal xh yap yi yo yua zap zh zh_Hant
zh_Latn zne zu zza
""")
"""MADLAD-400, in ``<2…>``: TartuNLP/coupled-seq2seq on GitHub, ``langconv.py``, read off the model's vocabulary;
the same 452 and ``mass`` stand in other programs for it."""

MADLAD_OTHERS: Final = _names("""
Arab Armn Beng CA Cans Cher Cyrl Deva Ethi Geor Grek Gujr Guru Hans Hant Hebr IR Jpan Khmr Knda Kore Latn Mlym Mymr NL
Orya RU Taml Telu Tfng Thaa Thai Tibt ZW back_translated en_xx_simple mass translate transliterate zxx_xx_dtynoise
""")
"""MADLAD-400 has these in ``<2…>`` too: scripts, regions and kinds of data. ``mass`` is in no standard."""

OPUS_EN_MUL: Final = _names("""
abk acm ady afb afh_Latn afr akl_Latn aln amh ang_Latn apc ara arg arq ary arz asm ast avk_Latn awa aze_Latn bak
bam_Latn bel bel_Latn ben bho bod bos_Latn bre brx brx_Latn bul bul_Latn cat ceb ces cha che chr chv cjy_Hans cjy_Hant
cmn cmn_Hans cmn_Hant cor cos crh crh_Latn csb_Latn cym dan deu dsb dtp dws_Latn egl ell enm_Latn epo est eus ewe ext
fao fij fin fkv_Latn fra frm_Latn frr fry fuc fuv gan gcf_Latn gil gla gle glg glv gom gos got_Goth grc_Grek grn gsw
guj hat hau_Latn haw heb hif_Latn hil hin hnj_Latn hoc hoc_Latn hrv hsb hun hye iba ibo ido ido_Latn ike_Latn ile_Latn
ilo ina_Latn ind isl ita izh jav jav_Java jbo jbo_Cyrl jbo_Latn jdt_Cyrl jpn kab kal kan kat kaz_Cyrl kaz_Latn
kek_Latn kha khm khm_Latn kin kir_Cyrl kjh kpv krl ksh kum kur_Arab kur_Latn lad lad_Latn lao lat_Latn lav ldn_Latn
lfn_Cyrl lfn_Latn lij lin lit liv_Latn lkt lld_Latn lmo ltg ltz lug lzh lzh_Hans mad mah mai mal mar max_Latn mdf mfe
mhr mic min mkd mlg mlt mnw moh mon mri mwl mww mya myv nan nau nav nds niu nld nno nob nob_Hebr nog non_Latn nov_Latn
npi nya oci ori orv_Cyrl oss ota_Arab ota_Latn pag pan_Guru pap pau pdc pes pes_Latn pes_Thaa pms pnb pol por ppl_Latn
prg_Latn pus quc qya qya_Latn rap rif_Latn roh rom ron rue run rus sag sah san_Deva scn sco sgs shs_Latn shy_Latn sin
sjn_Latn slv sma sme smo sna snd_Arab som spa sqi srp_Cyrl srp_Latn stq sun swe swg swh tah tam tat tat_Arab tat_Latn
tel tet tgk_Cyrl tha tir tlh_Latn tly_Latn tmw_Latn toi_Latn ton tpw_Latn tso tuk tuk_Latn tur tvl tyv tzl tzl_Latn
udm uig_Arab uig_Cyrl ukr umb urd uzb_Cyrl uzb_Latn vec vie vie_Hani vol_Latn vro war wln wol wuu xal xho yid yor yue
yue_Hans yue_Hant zho zho_Hans zho_Hant zlm_Latn zsm_Latn zul zza
""")
"""Helsinki-NLP/opus-mt-en-mul: Helsinki-NLP/Tatoeba-Challenge on GitHub, ``models/eng-mul/opus2m-2020-08-01.yml``."""

OPUS_EN_ROMANCE: Final = _names("""
fr fr_BE fr_CA fr_FR wa frp oc ca rm lld fur lij lmo es es_AR es_CL es_CO es_CR es_DO es_EC es_ES es_GT es_HN es_MX
es_NI es_PA es_PE es_PR es_SV es_UY es_VE pt pt_br pt_BR pt_PT gl lad an mwl it it_IT co nap scn vec sc ro la
""")
"""Helsinki-NLP/opus-mt-en-ROMANCE: its model card."""

OPUS_EN_ZH: Final = _names("""
cjy_Hans cjy_Hant cmn cmn_Bopo cmn_Hang cmn_Hani cmn_Hans cmn_Hant cmn_Hira cmn_Kana cmn_Latn cmn_Yiii gan hak_Hani
lzh lzh_Bopo lzh_Hang lzh_Hani lzh_Hans lzh_Hira lzh_Kana lzh_Yiii nan nan_Hani wuu wuu_Bopo wuu_Hani wuu_Latn yue
yue_Bopo yue_Hang yue_Hani yue_Hans yue_Hant yue_Hira yue_Kana zho zho_Hans zho_Hant
""")
"""Helsinki-NLP/opus-mt-en-zh: ``tgt_constituents`` of its ``metadata.json``."""

OPUS_FI_ZH: Final = _names("""
cmn cn yue ze_zh zh_cn zh_CN zh_HK zh_tw zh_TW zh_yue zhs zht zh
""")
"""Helsinki-NLP/opus-mt-fi-ZH: its model card."""

OPUS_ITC_ITC: Final = _names("""
acf aoa arg ast cat cbk cbk_Latn ccd cks cos cri crs dlm drc egl ext fab fax fra frc frm frm_Latn fro fro_Latn frp fur
fur_Latn gcf gcf_Latn gcr glg hat idb ist ita itk kea kmv lad lad_Latn lat lat_Grek lat_Latn lij lld lld_Latn lmo lou
mcm mfe mol mwl mxi mzs nap nrf oci osc osp osp_Latn pap pcd pln pms pob por pov pre pro qbb qhr rcf rgn roh ron ruo
rup ruq scf scn sdc sdn spa spq spx src srd sro tmg tvy vec vkp wln xfa xum
""")
"""Helsinki-NLP/opus-mt-tc-big-itc-itc: its model card."""

OPUS_FI_ZLS: Final = _names("""
bos bos_Cyrl bos_Latn bul chu hbs hbs_Cyrl hrv kjv mkd slv srp srp_Cyrl srp_Latn svm
""")
"""Helsinki-NLP/opus-mt-tc-big-fi-zls: its model card."""

OPUS_EN_SH: Final = _names("""
bos_Cyrl bos_Latn cnr cnr_Latn hbs hbs_Cyrl hrv srp_Cyrl srp_Latn
""")
"""Helsinki-NLP/opus-mt-tc-base-en-sh: its model card."""
